using System.Diagnostics;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.SelfTest;

// Tests that look at the whole process's heap, or need all cores at once, must not share them with others.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Marrow.Engine.Tests;

/// <summary>
/// The test assembly as a program: "op-cases" runs every op case in this process, whose SIMD level the environment decides.
/// Prints the level, then each problem. "checkpoints" writes checkpoints into a folder until it is killed.
/// "opencl-kernels" runs a few kernels on an OpenCL device with a cache in a folder and prints how many were compiled and loaded.
/// "devices" lists the devices that this process finds. "blocks" prints the level and digests of encoded and decoded blocks.
/// </summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        if (args is ["checkpoints", string root])
            Training.CheckpointTests.SaveForEver(root);
        if (args is ["blocks"])
        {
            Console.WriteLine(CpuDevice.SimdLevel);
            foreach (string digest in Numerics.BlockLevelTests.Digests())
                Console.WriteLine(digest);
            return 0;
        }
        if (args is ["devices"])
        {
            foreach (Marrow.Engine.Devices.DeviceListing listing in Marrow.Engine.Devices.DeviceCatalog.List())
                Console.WriteLine($"{listing.Name}: {listing.WhyNot ?? "usable"}");
            return 0;
        }
        if (args is ["opencl-kernels", string kernels])
        {
            Console.WriteLine(Devices.OpenClCacheTests.Run(kernels));
            return 0;
        }
        if (args is not ["op-cases", ..])
            return 2;
        Console.WriteLine(CpuDevice.SimdLevel);
        using var device = new CpuDevice(2);
        int problems = 0;
        foreach (OpCase op in OpCases.All)
        {
            long start = Stopwatch.GetTimestamp();
            foreach (string problem in OpCheck.Run(device, op))
            {
                Console.WriteLine(problem);
                problems++;
            }
            if (args.Contains("--times"))
                Console.Error.WriteLine($"{Stopwatch.GetElapsedTime(start).TotalMilliseconds,8:f1} ms  {op}");
        }
        return problems == 0 ? 0 : 1;
    }
}
