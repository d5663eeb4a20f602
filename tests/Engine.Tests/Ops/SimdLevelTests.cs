using System.Diagnostics;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine.Tests.Ops;

/// <summary>Runs the op cases again in child processes with wide vectors switched off.</summary>
public sealed class SimdLevelTests
{
    private static readonly string[] Levels = ["scalar", "128-bit", "AVX2", "AVX-512"];

    [Theory]
    [InlineData("DOTNET_EnableAVX512", "AVX2")]
    [InlineData("DOTNET_EnableAVX2", "128-bit")]
    [InlineData("DOTNET_EnableHWIntrinsic", "scalar")]
    public async Task Op_cases_hold_at_lower_levels(string variable, string highest)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(SimdLevelTests).Assembly.Location, "op-cases"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[variable] = "0";
        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync();
        string[] lines = (await child.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await child.WaitForExitAsync();
        // A switch that has been renamed would test nothing: the child must really be below.
        string expected = Levels[Math.Min(Array.IndexOf(Levels, highest), Array.IndexOf(Levels, CpuDevice.SimdLevel))];
        Assert.True(lines.Length > 0, await errors);
        Assert.Equal(expected, lines[0]);
        Assert.Empty(lines[1..]);
        Assert.Equal(0, child.ExitCode);
    }
}
