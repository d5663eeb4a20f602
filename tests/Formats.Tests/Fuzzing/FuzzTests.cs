using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Fuzzing;

/// <summary>Random damage gives what a parser takes or a <see cref="MarrowException"/>, soon and in little memory. A long run: docs/fuzzing.md.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private static readonly FuzzTarget[] Parsers = [.. TensorParsers.All, .. GgufParsers.All, .. TextParsers.All];

    public static TheoryData<string> Names => [.. Parsers.Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Fuzz(string parser) => FuzzRun.Of(Parsers.First(p => p.Name == parser), output);
}
