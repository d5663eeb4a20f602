using System.Diagnostics;
using System.Text.Json;
using Marrow.Engine;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats;

namespace Marrow.Perf;

/// <summary>
/// Times our fp32 products on an OpenCL device against the kernel that textbooks show: 16 × 16 tiles in local memory, written by hand in OpenCL C
/// and built by the same driver. The two take turns; each figure is the best of its runs.
/// </summary>
internal static class GpuGemmPerf
{
    private const int Rounds = 3, Tile = 16;
    private const double RoundSeconds = 0.4;

    // c [m, n] = a·b; a is [m, k], or [k, m] where transA; b is [k, n], or [n, k] where transB.
    private const string Text = """
        __kernel __attribute__((reqd_work_group_size(256, 1, 1)))
        void tiled16(__global const float* a, long a0, __global const float* b, long b0, __global float* c, long c0, int m, int n, int k, int transA, int transB)
        {
            __local float as[16][17];
            __local float bs[16][17];
            int x = get_local_id(0) % 16, y = get_local_id(0) / 16;
            int row = get_group_id(1) * 16 + y, column = get_group_id(0) * 16 + x;
            float sum = 0.0f;
            for (int p = 0; p < k; p += 16)
            {
                as[y][x] = row < m && p + x < k ? a[a0 + (transA ? (long)(p + x) * m + row : (long)row * k + p + x)] : 0.0f;
                bs[y][x] = p + y < k && column < n ? b[b0 + (transB ? (long)column * k + p + y : (long)(p + y) * n + column)] : 0.0f;
                barrier(CLK_LOCAL_MEM_FENCE);
                #pragma unroll
                for (int q = 0; q < 16; q++)
                    sum += as[y][q] * bs[q][x];
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            if (row < m && column < n)
                c[c0 + (long)row * n + column] = sum;
        }

        """;

    private static readonly GpuProduct[] Products =
    [
        new("square", 256, 256, 256),
        new("square", 512, 512, 512),
        new("square", 1024, 1024, 1024),
        new("square NT", 1024, 1024, 1024, TransposedB: true),
        new("square TN", 1024, 1024, 1024, TransposedA: true),
        new("linear x·Wᵀ", 1024, 1408, 512, TransposedB: true),
        new("linear dy·W", 1024, 512, 1408),
        new("adapter x·Aᵀ r16", 1024, 16, 512, TransposedB: true),
        new("adapter h·Bᵀ r16", 1024, 512, 16, TransposedB: true),
        new("adapter dhᵀ·x r16", 16, 512, 1024, TransposedA: true),
        new("adapter x·Aᵀ r64", 1024, 64, 512, TransposedB: true),
        new("adapter dhᵀ·x r64", 64, 512, 1024, TransposedA: true),
        new("one row x·Wᵀ", 1, 4096, 4096, TransposedB: true),
    ];

    public static int Run(string[] options)
    {
        bool json = options.Contains("--json");
        int at = Array.IndexOf(options, "--device"), tuning = Array.IndexOf(options, "--tuning");
        string name = at >= 0 && at + 1 < options.Length ? options[at + 1] : "opencl";
        using Device opened = DeviceCatalog.Open(name, new DeviceOptions { Tuning = tuning >= 0 && tuning + 1 < options.Length ? options[tuning + 1] : null, Notice = Console.Error.WriteLine });
        if (opened is not KernelDevice { Dialect.Language: DialectLanguage.OpenCl } device)
            throw new MarrowException("PF004", $"{name} is no OpenCL device, and the kernel to compare with is written in OpenCL C. [PF004]");
        if (!json)
            Console.WriteLine($"{device.Name}: {device.Description}\n{"product",-20}{"m",6}{"n",6}{"k",6} | {"16 x 16 by hand",16} {"ours",10}  {"ratio",6}  (GFLOP/s)");
        var text = new KernelText("tiled16", Text, Tile * Tile, [.. Enumerable.Range(0, 8).Select(i => new KernelParameter(i, i < 3, 4))]);
        var results = new List<GpuGemmResult>();
        foreach (GpuProduct product in Products)
        {
            GpuGemmResult result = Time(device, text, product);
            results.Add(result);
            if (!json)
                Console.WriteLine($"{result.Name,-20}{result.M,6}{result.N,6}{result.K,6} | {result.ByHand,16:F1} {result.Ours,10:F1}  {result.Ours / result.ByHand,6:F1}");
        }
        if (json)
            Console.WriteLine(JsonSerializer.Serialize(results));
        return 0;
    }

    private static GpuGemmResult Time(KernelDevice device, KernelText text, GpuProduct p)
    {
        var random = new Random(1);
        using Tensor a = Draw(device, random, p.TransposedA ? p.K : p.M, p.TransposedA ? p.M : p.K), b = Draw(device, random, p.TransposedB ? p.N : p.K, p.TransposedB ? p.K : p.N);
        using Tensor c = new(device, new Engine.Shape(p.M, p.N)), other = new(device, new Engine.Shape(p.M, p.N));
        var grid = new Grid(Tile * Tile, (p.N + Tile - 1) / Tile, (p.M + Tile - 1) / Tile);
        void ByHand() => device.Launch(text, grid, a, b, other, p.M, p.N, p.K, p.TransposedA, p.TransposedB);
        void Ours() => MatMul.Run(a, p.TransposedA, b, p.TransposedB, c);
        ByHand();
        Ours();
        float[] x = other.ToArray(), y = c.ToArray();
        float largest = x.Max(MathF.Abs);
        for (int i = 0; i < x.Length; i++)
        {
            if (!(MathF.Abs(x[i] - y[i]) <= 1e-4f * largest))
                throw new MarrowException("PF005", $"{p.Name} {p.M}x{p.N}x{p.K}: the two kernels differ at {i}: {x[i]} and {y[i]}. [PF005]");
        }
        double byHand = double.MaxValue, ours = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            byHand = Math.Min(byHand, Best(device, ByHand));
            ours = Math.Min(ours, Best(device, Ours));
        }
        double flops = 2e-9 * p.M * p.N * p.K;
        return new GpuGemmResult(p.Name, p.M, p.N, p.K, flops / byHand, flops / ours);
    }

    // Seconds of the fastest run; several are queued at once where one is too short to time.
    private static double Best(KernelDevice device, Action run)
    {
        run();
        device.Synchronize();
        long begin = Stopwatch.GetTimestamp();
        run();
        device.Synchronize();
        int queued = Math.Clamp((int)(2e-3 / Stopwatch.GetElapsedTime(begin).TotalSeconds), 1, 100);
        double best = double.MaxValue;
        begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin).TotalSeconds < RoundSeconds)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < queued; i++)
                run();
            device.Synchronize();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / queued);
        }
        return best;
    }

    private static Tensor Draw(KernelDevice device, Random random, int rows, int columns)
    {
        var values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++)
            values[i] = random.NextSingle() - 0.5f;
        return Tensor.Of(device, new Engine.Shape(rows, columns), values);
    }
}

/// <summary>10⁹ floating-point operations a second of the two kernels.</summary>
internal sealed record GpuGemmResult(string Name, int M, int N, int K, double ByHand, double Ours);
