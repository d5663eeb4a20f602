using System.Runtime.Intrinsics;
using System.Text.Json;
using Marrow.Engine.Cpu;

namespace Marrow.Perf;

/// <summary>What the machine can do: multiply-adds and memory bandwidth.</summary>
internal static class MachinePerf
{
    public static int Run(string[] options)
    {
        using var pool = new WorkerPool();
        using var one = new WorkerPool(1);
        FmaPeak.OneCore();
        var found = new
        {
            vector_bits = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128,
            threads = pool.Threads,
            fma_gflops_one = FmaPeak.OneCore(),
            fma_gflops_all = FmaPeak.AllCores(pool),
            memory_gbs_one = MemoryBandwidth.Measure(one).Triad,
            memory_gbs_all = MemoryBandwidth.Measure(pool).Triad,
        };
        Console.WriteLine(options.Contains("--json")
            ? JsonSerializer.Serialize(found)
            : $"{found.vector_bits}-bit vectors; FMA peak {found.fma_gflops_one:F0} GFLOP/s on one core, {found.fma_gflops_all:F0} on {found.threads}; triad {found.memory_gbs_one:F1} and {found.memory_gbs_all:F1} GB/s");
        return 0;
    }
}
