using System.Diagnostics;
using System.Runtime.InteropServices;
using Marrow.Engine.Cpu;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Perf;

/// <summary>
/// Times products of one to sixteen rows with a weight of every type, as generation has them, against the same product with fp32 weights: with a weight that
/// the caches hold, and with one that comes from memory.
/// </summary>
internal static unsafe class RowsPerf
{
    private const int Rounds = 9;
    private const double RoundSeconds = 5e-3;

    private static readonly DType[] Types =
        [DType.F32, DType.BF16, DType.Q8_0, DType.Q4_0, DType.Q4_1, DType.Q5_0, DType.Q5_1, DType.Q2_K, DType.Q3_K, DType.Q4_K, DType.Q5_K, DType.Q6_K, DType.IQ4_NL, DType.NF4];

    public static int Run(string[] options)
    {
        string only = After(options, "--only") ?? "", place = After(options, "--place") ?? "";
        using var one = new WorkerPool(1);
        using var two = new WorkerPool(2);
        Console.WriteLine("G weights/s, and the speed against fp32 in the same round");
        Console.WriteLine($"{"weight",-8}{"type",-8}{"MiB",7}{"rows",6} | {"1 thread",10}{"of fp32",9} | {"2 threads",10}{"of fp32",9}");
        foreach ((string name, int outputs, int inputs) in new[] { ("cache", 1024, 1024), ("memory", 16384, 8192) })
        {
            if (!name.Contains(place, StringComparison.Ordinal))
                continue;
            using var plain = new RowWeight(DType.F32, outputs, inputs);
            foreach (DType type in Types)
            {
                if (!type.ToString().Contains(only, StringComparison.OrdinalIgnoreCase))
                    continue;
                using var weight = new RowWeight(type, outputs, inputs);
                foreach (int rows in new[] { 1, 2, 4, 8, 16 })
                {
                    (double speed1, double ratio1) = Compare(one, rows, weight, plain);
                    (double speed2, double ratio2) = Compare(two, rows, weight, plain);
                    Console.WriteLine($"{name,-8}{type,-8}{weight.Bytes / 1048576.0,7:F1}{rows,6} | {speed1,10:F2}{ratio1,9:F2} | {speed2,10:F2}{ratio2,9:F2}");
                }
            }
        }
        return 0;
    }

    private static (double Speed, double Ratio) Compare(WorkerPool pool, int rows, RowWeight weight, RowWeight plain)
    {
        List<double> speeds = [], ratios = [];
        weight.BestSeconds(pool, rows, 0.2);
        plain.BestSeconds(pool, rows, 0.2);
        for (int round = 0; round < Rounds; round++)
        {
            double fp32 = plain.BestSeconds(pool, rows, RoundSeconds), own = weight.BestSeconds(pool, rows, RoundSeconds);
            speeds.Add(weight.Count / own * 1e-9);
            ratios.Add(fp32 / own);
        }
        return (StepRun.Median(speeds), StepRun.Median(ratios));
    }

    private static string? After(string[] options, string name)
    {
        int i = Array.IndexOf(options, name);
        return i >= 0 && i + 1 < options.Length ? options[i + 1] : null;
    }
}

/// <summary>A weight [outputs, inputs] of some type, with inputs and results of up to sixteen rows.</summary>
internal sealed unsafe class RowWeight : IDisposable
{
    private const int Piece = 1 << 20, MostRows = 16;

    private readonly DType _type;
    private readonly int _outputs, _inputs;
    private readonly byte* _data;
    private readonly float* _x, _y;

    public RowWeight(DType type, int outputs, int inputs)
    {
        (_type, _outputs, _inputs) = (type, outputs, inputs);
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, 4096);
        _x = (float*)NativeMemory.AlignedAlloc((nuint)(MostRows * inputs * sizeof(float)), 4096);
        _y = (float*)NativeMemory.AlignedAlloc((nuint)(MostRows * outputs * sizeof(float)), 4096);
        var random = new SplitMix64(1);
        float[] values = new float[Piece];
        for (int i = 0; i < Piece; i++)
            values[i] = ((random.Next() >> 40) - 8388608f) * 1e-9f;
        values.AsSpan(0, MostRows * inputs).CopyTo(new Span<float>(_x, MostRows * inputs));
        // The same piece again and again: the time does not depend on values.
        var piece = new Span<byte>(_data, (int)type.Bytes(Piece));
        if (type == DType.F32)
            values.CopyTo(MemoryMarshal.Cast<byte, float>(piece));
        else if (type == DType.BF16)
            BFloat16.Narrow(values, MemoryMarshal.Cast<byte, BFloat16>(piece));
        else
            BlockFormats.Of(type).Encode!(values, piece);
        for (long at = piece.Length; at < Bytes; at += piece.Length)
            piece.CopyTo(new Span<byte>(_data + at, piece.Length));
    }

    public long Count => (long)_outputs * _inputs;

    public long Bytes => _type.Bytes(Count);

    /// <summary>The fastest of the products that fit into a time, at least two.</summary>
    public double BestSeconds(WorkerPool pool, int rows, double seconds)
    {
        double best = double.MaxValue;
        long end = Stopwatch.GetTimestamp() + (long)(seconds * Stopwatch.Frequency);
        for (int i = 0; i < 2 || Stopwatch.GetTimestamp() < end; i++)
        {
            long start = Stopwatch.GetTimestamp();
            GemmOperand w = _type == DType.F32 ? new GemmOperand((float*)_data, _inputs, true) : _type == DType.BF16 ? new GemmOperand((BFloat16*)_data, _inputs, true)
                : new GemmOperand(_data, BlockFormats.Of(_type), _inputs, true);
            Gemm.Run(pool, rows, _outputs, _inputs, 1, new GemmOperand(_x, _inputs), w, 0, _y, _outputs);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_data);
        NativeMemory.AlignedFree(_x);
        NativeMemory.AlignedFree(_y);
    }
}
