using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.SelfTest;

namespace Marrow.Engine.Tests.Ops;

public sealed class OpCaseTests
{
    public static TheoryData<string> Names => [.. OpCases.All.Select(c => c.ToString())];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_and_its_differences(string name)
    {
        using var device = new CpuDevice(2);
        OpCase op = OpCases.All.Single(c => c.ToString() == name);
        Assert.Empty(OpCheck.Run(device, op));
    }
}
