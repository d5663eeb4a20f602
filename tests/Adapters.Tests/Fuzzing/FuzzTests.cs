using Marrow.Adapters.Tests.Converting;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests.Fuzzing;

/// <summary>Random damage to adapters' files gives what a reader takes or a refusal, soon and in little memory. A long run: docs/fuzzing.md.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    public static TheoryData<string> Names => [.. AdapterParsers.All.Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Fuzz(string parser)
    {
        AdapterParser found = AdapterParsers.All.First(p => p.Name == parser);
        using var fixture = new AdapterFixture(found.Family);
        FuzzRun.Of(found.Target(fixture), output);
    }
}
