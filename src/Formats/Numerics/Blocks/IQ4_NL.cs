using System.Numerics;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>IQ4_NL: an fp16 scale d and 32 codes of 4 bits, low nibbles first, into sixteen uneven levels; y = d·level (spec/formats.md §3.2, §3.5).</summary>
internal static class IQ4_NL
{
    private const int Elements = 32, Bytes = 18;

    public static BlockFormat Format { get; } = new(DType.IQ4_NL, "IQ4_NL", 20, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    /// <summary>The sixteen levels.</summary>
    public static Vector128<sbyte> Levels => Vector128.Create(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

    /// <summary>Halfway between neighbouring levels.</summary>
    private static ReadOnlySpan<float> Middles => [-115.5f, -93.5f, -74, -57, -42, -28.5f, -16, -4.5f, 7, 19, 31.5f, 45.5f, 61, 79, 101];

    /// <summary>From level to level.</summary>
    private static ReadOnlySpan<float> Steps => [23, 21, 18, 16, 14, 13, 12, 11, 12, 12, 13, 15, 16, 20, 24];

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks);
            Vector128<byte> q = Sixteen.Load(blocks[2..]);
            to.Scaled(Vector128.ShuffleNative(Levels, Sixteen.Low(q).AsSByte()), d, at);
            to.Scaled(Vector128.ShuffleNative(Levels, Sixteen.High(q).AsSByte()), d, at + 16);
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        Span<Vector<float>> x = stackalloc Vector<float>[Elements];
        int count = blocks.Length / Bytes;
        for (int first = 0; first < count; first += SubBlockLanes.Count)
        {
            SubBlockLanes.Spread(values, first, x);
            Vector<float> scales = Search(x);
            for (int lane = 0; lane < SubBlockLanes.Count && first + lane < count; lane++)
            {
                Span<byte> block = blocks.Slice((first + lane) * Bytes, Bytes);
                ReadOnlySpan<float> own = values.Slice((first + lane) * Elements, Elements);
                float inverse = SixteenCodes.Inverse(scales[lane]);
                SixteenCodes.Half(block, scales[lane]);
                (SixteenCodes.Rank(own, inverse, Middles, reached: true) | SixteenCodes.Rank(own[16..], inverse, Middles, reached: true) << 4).CopyTo(block[2..]);
            }
        }
    }

    /// <summary>The best of sixteen scales for errors weighted by x²; 0 where all elements are.</summary>
    private static Vector<float> Search(ReadOnlySpan<Vector<float>> x)
    {
        Vector<float> largest = SubBlockLanes.Largest(x);
        (Vector<float> sumQX, Vector<float> sumQ2) = Sums(x, Vector<float>.One / (-largest / new Vector<float>(-127)));
        Vector<float> scale = sumQX / sumQ2, best = scale * sumQX;
        for (int k = -7; k <= 7; k++)
        {
            (sumQX, sumQ2) = Sums(x, new Vector<float>(k - 127) / largest);
            Vector<int> better = Vector.GreaterThan(sumQ2, Vector<float>.Zero) & Vector.GreaterThan(sumQX * sumQX, best * sumQ2);
            scale = Vector.ConditionalSelect(better, sumQX / sumQ2, scale);
            best = Vector.ConditionalSelect(better, scale * sumQX, best);
        }
        return scale & Vector.AsVectorSingle(Vector.GreaterThanOrEqual(Vector.Abs(largest), new Vector<float>(1e-15f)));
    }

    private static (Vector<float> SumQX, Vector<float> SumQ2) Sums(ReadOnlySpan<Vector<float>> x, Vector<float> factor)
    {
        Vector<float> sumQX = Vector<float>.Zero, sumQ2 = Vector<float>.Zero;
        foreach (Vector<float> v in x)
        {
            Vector<float> scaled = factor * v, level = new(-127), weight = v * v;
            for (int i = 0; i < Middles.Length; i++)
                level += Vector.AsVectorSingle(Vector.GreaterThanOrEqual(scaled, new Vector<float>(Middles[i]))) & new Vector<float>(Steps[i]);
            sumQX += weight * level * v;
            sumQ2 += weight * level * level;
        }
        return (sumQX, sumQ2);
    }
}
