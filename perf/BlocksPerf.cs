using System.Diagnostics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Perf;

/// <summary>Times decoding and encoding of every block type on one core, beside the memory bandwidth of the same minute and the rates published for ggml.</summary>
internal static class BlocksPerf
{
    private const int InMemory = 1 << 26, InCache = 1 << 16, Piece = 1 << 22;
    private const double Seconds = 1;

    /// <summary>M weights/s of ggml's reference C with AVX2 on a core of a cloud machine (spec/formats.md §11.1): not measured here.</summary>
    private static readonly Dictionary<DType, int> Published = new()
    {
        [DType.Q8_0] = 378, [DType.Q4_0] = 1606, [DType.Q4_1] = 1740, [DType.Q5_0] = 1048, [DType.Q5_1] = 1083,
        [DType.Q2_K] = 23, [DType.Q3_K] = 109, [DType.Q4_K] = 20, [DType.Q5_K] = 23, [DType.Q6_K] = 39, [DType.IQ4_NL] = 87,
    };

    public static int Run(string[] options)
    {
        int at = Array.IndexOf(options, "--only");
        string only = at >= 0 && at + 1 < options.Length ? options[at + 1] : "";
        using var one = new WorkerPool(1);
        (double copy, double triad) = MemoryBandwidth.Measure(one);
        Console.WriteLine($"one core, {(Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128)}-bit vectors; memory: copy {copy:F1}, triad {triad:F1} GB/s");
        Console.WriteLine($"GB/s count fp32 and blocks, in memory ({InMemory >> 20} Mi values); M weights/s also in cache ({InCache >> 10} Ki). ggml: rates of spec/formats.md §11.1, from another machine.");
        Console.WriteLine("| type | decode: in cache | in memory | GB/s | of copy | encode: in cache | in memory | GB/s | of copy | ggml |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        float[] values = Gaussian(), decoded = new float[InMemory];
        foreach (BlockFormat format in BlockFormats.All)
        {
            if (format.Decode is not { } decode || !format.Name.Contains(only, StringComparison.Ordinal))
                continue;
            byte[] blocks = new byte[InMemory / format.Elements * format.Bytes];
            string Rates(Action<int, int> run)
            {
                double cached = Best(run, InCache, InCache), memory = Best(run, InMemory, Piece), rate = (4.0 + (double)format.Bytes / format.Elements) / memory / 1e9;
                return $"{1 / cached / 1e6:F0} | {1 / memory / 1e6:F0} | {rate:F1} | {100 * rate / copy:F0} %";
            }
            Span<byte> Blocks(int from, int n) => blocks.AsSpan(from / format.Elements * format.Bytes, n / format.Elements * format.Bytes);
            // Encoding comes first, so that sound blocks are decoded; those without an encoder are zeros.
            string encoded = format.Encode is { } encode
                ? $"{Rates((from, n) => encode(values.AsSpan(from, n), Blocks(from, n)))} | {(Published.TryGetValue(format.DType, out int rate) ? rate : "")}"
                : " | | | |";
            Console.WriteLine($"| {format.Name} | {Rates((from, n) => decode(Blocks(from, n), decoded.AsSpan(from, n)))} | {encoded} |");
        }
        return 0;
    }

    /// <summary>Seconds a value: the best piece of at least a second of walks over <paramref name="all"/> values.</summary>
    private static double Best(Action<int, int> run, int all, int piece)
    {
        double best = double.MaxValue;
        long begun = Stopwatch.GetTimestamp();
        do
        {
            for (int from = 0; from < all; from += piece)
            {
                long start = Stopwatch.GetTimestamp();
                run(from, piece);
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
        while (Stopwatch.GetElapsedTime(begun).TotalSeconds < Seconds);
        return best / piece;
    }

    private static float[] Gaussian()
    {
        float[] values = new float[InMemory];
        var random = new SplitMix64(1);
        for (int i = 0; i < InMemory; i++)
        {
            double sum = -6;
            for (int k = 0; k < 12; k++)
                sum += (random.Next() >> 40) * (1.0 / 16777216);
            values[i] = (float)(0.02 * sum);
        }
        return values;
    }
}
