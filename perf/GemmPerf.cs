using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Marrow.Engine.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Perf;

/// <summary>Times matrix products of the shapes that training has, each against the FMA peak measured between its runs.</summary>
internal static unsafe class GemmPerf
{
    private const int Rounds = 15;
    private const double RoundSeconds = 4e-3;

    private static readonly GemmShape[] Shapes =
    [
        new("square", 256, 256, 256),
        new("square", 512, 512, 512),
        new("square", 1024, 1024, 1024),
        new("square NT", 1024, 1024, 1024, TransposedB: true),
        new("square TN", 1024, 1024, 1024, TransposedA: true),
        new("square TT", 1024, 1024, 1024, TransposedA: true, TransposedB: true),
        new("square NT bf16", 1024, 1024, 1024, TransposedB: true, BFloat16B: true),
        new("square", 2048, 2048, 2048),
        new("linear x·Wᵀ", 1024, 1408, 512, TransposedB: true),
        new("linear dy·W", 1024, 512, 1408),
        new("linear x·Wᵀ bf16", 1024, 1408, 512, TransposedB: true, BFloat16B: true),
        new("linear short", 64, 1408, 512, TransposedB: true),
        new("adapter x·Aᵀ r16", 1024, 16, 512, TransposedB: true),
        new("adapter h·Bᵀ r16", 1024, 512, 16, TransposedB: true),
        new("adapter dhᵀ·x r16", 16, 512, 1024, TransposedA: true),
        new("adapter x·Aᵀ r64", 1024, 64, 512, TransposedB: true),
        new("adapter h·Bᵀ r64", 1024, 512, 64, TransposedB: true),
        new("adapter dhᵀ·x r64", 64, 512, 1024, TransposedA: true),
        new("attention q·kᵀ", 64, 64, 64, TransposedB: true, Stride: 512),
        new("attention p·v", 64, 64, 64, Stride: 512),
        new("attention q·kᵀ", 256, 64, 64, TransposedB: true, Stride: 512),
        new("attention p·v", 256, 64, 64, Stride: 512),
        new("one row x·Wᵀ", 1, 4096, 4096, TransposedB: true),
        new("one row x·Wᵀ bf16", 1, 4096, 4096, TransposedB: true, BFloat16B: true),
    ];

    public static int Run(string[] options)
    {
        bool json = options.Contains("--json");
        int at = Array.IndexOf(options, "--only");
        string only = at >= 0 && at + 1 < options.Length ? options[at + 1] : "";
        using var one = new WorkerPool(1);
        using var two = new WorkerPool(2);
        FmaPeak.OneCore();
        FmaPeak.AllCores(two);
        var results = new List<GemmResult>();
        if (!json)
            Console.WriteLine($"{"shape",-20}{"m",6}{"n",6}{"k",6} | 1 thread: GFLOP/s  of peak | 2 threads: GFLOP/s  of peak  speed-up");
        foreach (GemmShape shape in Shapes)
        {
            if (!shape.Name.Contains(only, StringComparison.Ordinal))
                continue;
            GemmResult result = Time(shape, one, two);
            results.Add(result);
            if (!json)
                Console.WriteLine($"{shape.Name,-20}{shape.M,6}{shape.N,6}{shape.K,6} | {result.Gflops1,17:F1} {result.Share1,8:P1} | {result.Gflops2,18:F1} {result.Share2,8:P1} {result.Speedup,9:F2}");
        }
        if (json)
            Console.WriteLine(JsonSerializer.Serialize(results));
        return 0;
    }

    private static GemmResult Time(GemmShape shape, WorkerPool one, WorkerPool two)
    {
        using var data = new GemmData(shape);
        double flops = 2.0 * shape.M * shape.N * shape.K;
        // Long enough for the compiler to have seen the calls around the kernel and compiled them again.
        data.BestSeconds(one, 0.1);
        data.BestSeconds(two, 0.1);
        var speed1 = new double[Rounds];
        var speed2 = new double[Rounds];
        var peak1 = new double[Rounds];
        var peak2 = new double[Rounds];
        for (int i = 0; i < Rounds; i++)
        {
            peak1[i] = FmaPeak.OneCore(1);
            speed1[i] = flops / data.BestSeconds(one, RoundSeconds) * 1e-9;
            peak2[i] = FmaPeak.AllCores(two, 1);
            speed2[i] = flops / data.BestSeconds(two, RoundSeconds) * 1e-9;
        }
        return new GemmResult(shape.Name, shape.M, shape.N, shape.K, Median(speed1), Ratio(speed1, peak1), Median(speed2), Ratio(speed2, peak2), Ratio(speed2, speed1));
    }

    private static double Ratio(double[] above, double[] below)
    {
        var ratios = new double[above.Length];
        for (int i = 0; i < ratios.Length; i++)
            ratios[i] = above[i] / below[i];
        return Median(ratios);
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values];
        Array.Sort(sorted);
        return sorted[sorted.Length / 2];
    }
}

/// <summary>A product to time; Stride, where given, is that of all three matrices.</summary>
internal sealed record GemmShape(string Name, int M, int N, int K, bool TransposedA = false, bool TransposedB = false, bool BFloat16B = false, int Stride = 0);

/// <summary>Medians over the rounds; shares are of the FMA peak measured in the same round.</summary>
internal sealed record GemmResult(string Name, int M, int N, int K, double Gflops1, double Share1, double Gflops2, double Share2, double Speedup);

/// <summary>The matrices of one product.</summary>
internal sealed unsafe class GemmData : IDisposable
{
    private readonly GemmShape _shape;
    private readonly float* _a, _b, _c;
    private readonly int _strideA, _strideB, _strideC;

    public GemmData(GemmShape shape)
    {
        _shape = shape;
        _strideA = Math.Max(shape.Stride, shape.TransposedA ? shape.M : shape.K);
        _strideB = Math.Max(shape.Stride, shape.TransposedB ? shape.K : shape.N);
        _strideC = Math.Max(shape.Stride, shape.N);
        _a = Random((shape.TransposedA ? shape.K : shape.M) * _strideA, 1);
        _b = Random((shape.TransposedB ? shape.N : shape.K) * _strideB, 2);
        _c = Random(shape.M * _strideC, 3);
        if (shape.BFloat16B)
        {
            int count = (shape.TransposedB ? shape.N : shape.K) * _strideB;
            BFloat16.Narrow(new ReadOnlySpan<float>(_b, count), new Span<BFloat16>(_b, count));
        }
    }

    /// <summary>The fastest of the calls that fit into a time, at least two.</summary>
    public double BestSeconds(WorkerPool pool, double seconds)
    {
        double best = double.MaxValue;
        long end = Stopwatch.GetTimestamp() + (long)(seconds * Stopwatch.Frequency);
        for (int i = 0; i < 2 || Stopwatch.GetTimestamp() < end; i++)
        {
            long start = Stopwatch.GetTimestamp();
            Multiply(pool);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    public void Multiply(WorkerPool pool)
    {
        GemmOperand b = _shape.BFloat16B
            ? new GemmOperand((BFloat16*)_b, _strideB, _shape.TransposedB)
            : new GemmOperand(_b, _strideB, _shape.TransposedB);
        Gemm.Run(pool, _shape.M, _shape.N, _shape.K, 1, new GemmOperand(_a, _strideA, _shape.TransposedA), b, 0, _c, _strideC);
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_a);
        NativeMemory.AlignedFree(_b);
        NativeMemory.AlignedFree(_c);
    }

    private static float* Random(int count, int seed)
    {
        var random = new Random(seed);
        float* data = (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 4096);
        for (int i = 0; i < count; i++)
            data[i] = random.NextSingle() - 0.5f;
        return data;
    }
}
