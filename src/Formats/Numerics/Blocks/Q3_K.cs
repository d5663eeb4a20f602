using System.Numerics;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q3_K: sixteen sub-blocks of 16 codes of 3 bits, the third bits apart, each with a 6-bit signed scale s, and an fp16 d for the block; y = (d·s)·(q − 4) (spec/formats.md §3.2, §3.5).</summary>
internal static class Q3_K
{
    private const int Elements = 256, Bytes = 110, Top = 4;

    public static BlockFormat Format { get; } = new(DType.Q3_K, "Q3_K", 11, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks[108..]);
            for (int part = 0; part < 4; part++)
            {
                // Sixteen bytes hold the codes of four sub-blocks, 32 elements apart.
                int first = 8 * (part / 2) + part % 2;
                Vector128<byte> q = Sixteen.Load(blocks[(32 + 16 * part)..]), third = Sixteen.Load(blocks[(16 * (part % 2))..]);
                for (int sub = first; sub < first + 8; sub += 2)
                {
                    Vector128<byte> absent = Vector128.Equals(third & Vector128.Create((byte)(1 << (sub / 2))), Vector128<byte>.Zero);
                    Vector128<byte> code = (q & Vector128.Create((byte)3)) - (absent & Vector128.Create((byte)4));
                    to.Scaled(code.AsSByte(), d * Scale(blocks[96..], sub), at + 16 * sub);
                    q >>>= 2;
                }
            }
        }
    }

    /// <summary>The scale of a sub-block: 16 low nibbles, then 16 high pairs.</summary>
    private static int Scale(ReadOnlySpan<byte> packed, int sub)
    {
        int low = sub < 8 ? packed[sub] & 15 : packed[sub - 8] >> 4;
        return (low | (packed[8 + sub % 4] >> (2 * (sub / 4)) & 3) << 4) - 32;
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        Span<byte> codes = stackalloc byte[Elements];
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            Encode(values[..Elements], blocks, codes);
            PackedCodes.Bits(codes, 4, blocks);
            PackedCodes.Pairs(codes, 0, blocks[32..]);
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> block, Span<byte> codes)
    {
        Span<float> scales = stackalloc float[16];
        Span<Vector<float>> x = stackalloc Vector<float>[16], searched = stackalloc Vector<float>[Elements / SubBlockLanes.Count];
        float largest = 0;
        for (int first = 0; first < 16; first += SubBlockLanes.Count)
        {
            SubBlockLanes.Spread(values, first, x);
            SymmetricSearch.Refined(x, Top, searched.Slice(16 * (first / SubBlockLanes.Count), 16)).CopyTo(scales[first..]);
        }
        foreach (float scale in scales)
            largest = MathF.Abs(scale) > MathF.Abs(largest) ? scale : largest;
        float inverse = largest != 0 ? -32 / largest : 0;
        SixteenCodes.Half(block[108..], largest != 0 ? 1 / inverse : 0);
        float d = Sixteen.Half(block[108..]);
        block.Slice(96, 12).Clear();
        for (int sub = 0; sub < 16; sub++)
        {
            int steps = largest != 0 ? Math.Clamp((int)(sbyte)SubBlockLanes.Nearest(inverse * scales[sub]), -32, 31) + 32 : 0;
            block[96 + sub % 8] |= (byte)((steps & 15) << (sub < 8 ? 0 : 4));
            block[104 + sub % 4] |= (byte)(steps >> 4 << (2 * (sub / 4)));
            float stored = d * (steps - 32);
            if (stored != 0)
                SixteenCodes.Divided(values[(16 * sub)..], 0, stored, -Top, Top - 1).CopyTo(codes[(16 * sub)..]);
            else
                SubBlockLanes.Gather(searched.Slice(16 * (sub / SubBlockLanes.Count), 16), sub % SubBlockLanes.Count, Top, codes[(16 * sub)..]);
        }
    }
}
