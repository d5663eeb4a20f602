using System.Numerics;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q6_K: sixteen sub-blocks of 16 codes of 6 bits, low nibbles and high pairs apart, each with a signed byte scale s, and an fp16 d for the block; y = (d·s)·(q − 32) (spec/formats.md §3.2, §3.5).</summary>
internal static class Q6_K
{
    private const int Elements = 256, Bytes = 210, Top = 32;

    public static BlockFormat Format { get; } = new(DType.Q6_K, "Q6_K", 14, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks[208..]);
            for (int part = 0; part < 4; part++)
            {
                // Of the elements of a half, 64 bytes hold the low nibbles (those of the second 64 above those of the first) and 32 the high pairs.
                int half = part / 2, column = 16 * (part % 2);
                ReadOnlySpan<byte> nibbles = blocks[(64 * half + column)..], scales = blocks[(192 + 8 * half + part % 2)..];
                int y = at + 128 * half + column;
                Vector128<byte> even = Sixteen.Load(nibbles), odd = Sixteen.Load(nibbles[32..]);
                Vector128<byte> high = Sixteen.Load(blocks[(128 + 32 * half + column)..]), pair = Vector128.Create((byte)0x30);
                Vector128<sbyte> middle = Vector128.Create((sbyte)32);
                to.Scaled((Sixteen.Low(even) | (high << 4 & pair)).AsSByte() - middle, d * (sbyte)scales[0], y);
                to.Scaled((Sixteen.Low(odd) | (high << 2 & pair)).AsSByte() - middle, d * (sbyte)scales[2], y + 32);
                to.Scaled((Sixteen.High(even) | (high & pair)).AsSByte() - middle, d * (sbyte)scales[4], y + 64);
                to.Scaled((Sixteen.High(odd) | (high >>> 2 & pair)).AsSByte() - middle, d * (sbyte)scales[6], y + 96);
            }
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        Span<byte> codes = stackalloc byte[Elements];
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            Encode(values[..Elements], blocks, codes);
            PackedCodes.Nibbles(codes, 64, blocks);
            PackedCodes.Pairs(codes, 4, blocks[128..]);
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> block, Span<byte> codes)
    {
        Span<float> scales = stackalloc float[16], factors = stackalloc float[16];
        Span<Vector<float>> x = stackalloc Vector<float>[16];
        float largest = 0;
        for (int first = 0; first < 16; first += SubBlockLanes.Count)
        {
            SubBlockLanes.Spread(values, first, x);
            (Vector<float> scale, Vector<float> factor) = SymmetricSearch.Factors(x, Top);
            scale.CopyTo(scales[first..]);
            factor.CopyTo(factors[first..]);
        }
        foreach (float scale in scales)
            largest = MathF.Abs(scale) > MathF.Abs(largest) ? scale : largest;
        bool empty = MathF.Abs(largest) < 1e-15f;
        float inverse = empty ? 0 : -128 / largest;
        SixteenCodes.Half(block[208..], empty ? 0 : 1 / inverse);
        float d = Sixteen.Half(block[208..]);
        for (int sub = 0; sub < 16; sub++)
        {
            sbyte steps = (sbyte)Math.Min(127, SubBlockLanes.Nearest(inverse * scales[sub]));
            block[192 + sub] = (byte)steps;
            float stored = d * steps, factor = factors[sub];
            // Codes of the search where the stored scale is 0; sub-blocks of zeros have none.
            Vector128<byte> sixteen = stored != 0 ? SixteenCodes.Divided(values[(16 * sub)..], 0, stored, -Top, Top - 1)
                : empty || factor == 0 ? Vector128<byte>.Zero
                : SixteenCodes.Nearest(values[(16 * sub)..], 0, factor, -Top, Top - 1);
            sixteen.CopyTo(codes[(16 * sub)..]);
        }
    }
}
