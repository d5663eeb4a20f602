using System.Diagnostics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Perf;

/// <summary>Times decoding and encoding of every block type on one core, beside the memory bandwidth of the same minute and the rates published for ggml.</summary>
internal static class BlocksPerf
{
    private const int Values = 1 << 22;
    private const double Seconds = 1, Turn = 3e-3;

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
        Console.WriteLine("GB/s count fp32 and blocks. ggml: rates of spec/formats.md §11.1, from another machine.");
        Console.WriteLine($"{"type",-8} | decode: M weights/s    GB/s | encode: M weights/s    GB/s    ggml");
        float[] values = Gaussian(), decoded = new float[Values];
        foreach (BlockFormat format in BlockFormats.All)
        {
            if (format.Decode is not { } decode || !format.Name.Contains(only, StringComparison.Ordinal))
                continue;
            byte[] blocks = new byte[Values / format.Elements * format.Bytes];
            double bytes = 4.0 + (double)format.Bytes / format.Elements;
            string encoded = "";
            if (format.Encode is { } encode)
            {
                double seconds = Best(n => encode(values.AsSpan(0, n), blocks.AsSpan(0, n / format.Elements * format.Bytes)));
                encoded = $"{1 / seconds / 1e6,19:F0} {bytes / seconds / 1e9,7:F1} {(Published.TryGetValue(format.DType, out int rate) ? rate : ""),7}";
            }
            double spent = Best(n => decode(blocks.AsSpan(0, n / format.Elements * format.Bytes), decoded.AsSpan(0, n)));
            Console.WriteLine($"{format.Name,-8} | {1 / spent / 1e6,19:F0} {bytes / spent / 1e9,7:F1} | {encoded}".TrimEnd());
        }
        return 0;
    }

    /// <summary>Seconds a value: the best of a second of runs, slow ones short enough to fall between the turns of other programs.</summary>
    private static double Best(Action<int> run)
    {
        // The runtime recompiles what is called often, a little later.
        double first = Best(run, Values, Seconds / 4);
        return Best(run, Math.Min(Values, Math.Max(1, (int)(Turn / first) >> 14) << 14), Seconds);
    }

    private static double Best(Action<int> run, int count, double seconds)
    {
        double best = double.MaxValue;
        long begun = Stopwatch.GetTimestamp();
        do
        {
            long start = Stopwatch.GetTimestamp();
            run(count);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        while (Stopwatch.GetElapsedTime(begun).TotalSeconds < seconds);
        return best / count;
    }

    private static float[] Gaussian()
    {
        float[] values = new float[Values];
        var random = new SplitMix64(1);
        for (int i = 0; i < Values; i++)
        {
            double sum = -6;
            for (int k = 0; k < 12; k++)
                sum += (random.Next() >> 40) * (1.0 / 16777216);
            values[i] = (float)(0.02 * sum);
        }
        return values;
    }
}
