using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Marrow.Host.Machines;

/// <summary>The machine that runs the program.</summary>
/// <param name="System">Operating system and version.</param>
/// <param name="Architecture">"x64", "arm64".</param>
/// <param name="Cpu">The processor's name, or "unknown".</param>
/// <param name="Cores">Logical cores that this process may use.</param>
/// <param name="Simd">Widest vectors used: "Vector512", "Vector256", "Vector128" or "none".</param>
/// <param name="MemoryBytes">Memory that this process may use.</param>
/// <param name="Runtime">The .NET runtime.</param>
public sealed record MachineInfo(string System, string Architecture, string Cpu, int Cores, string Simd, long MemoryBytes, string Runtime)
{
    /// <summary>Reads it from the operating system.</summary>
    public static MachineInfo Read() => new(
        RuntimeInformation.OSDescription,
        RuntimeInformation.ProcessArchitecture.ToString().ToLower(CultureInfo.InvariantCulture),
        CpuName() ?? "unknown",
        Environment.ProcessorCount,
        Vector512.IsHardwareAccelerated ? "Vector512" : Vector256.IsHardwareAccelerated ? "Vector256" : Vector128.IsHardwareAccelerated ? "Vector128" : "none",
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        RuntimeInformation.FrameworkDescription);

    private static string? CpuName()
    {
        const string linux = "/proc/cpuinfo";
        if (!File.Exists(linux))
            return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");
        return File.ReadLines(linux).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
    }
}
