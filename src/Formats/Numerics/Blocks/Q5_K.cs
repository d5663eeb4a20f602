using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q5_K: eight sub-blocks of 32 codes of 5 bits, the fifth bits apart, with scales and minima as in Q4_K; y = (d·s)·q − e·t (spec/formats.md §3.2, §3.5).</summary>
internal static class Q5_K
{
    private const int Elements = 256, Bytes = 176;

    private static readonly AffineSearch Search = new(31, -0.5f, 15, Absolute: false);

    public static BlockFormat Format { get; } = new(DType.Q5_K, "Q5_K", 13, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        Span<float> scales = stackalloc float[8], minima = stackalloc float[8];
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            SixBits.Read(blocks[4..], Sixteen.Half(blocks), Sixteen.Half(blocks[2..]), scales, minima);
            Vector128<byte> fifth0 = Sixteen.Load(blocks[16..]), fifth1 = Sixteen.Load(blocks[32..]);
            for (int sub = 0; sub < 8; sub += 2)
            {
                float scale = scales[sub], minimum = minima[sub], scale2 = scales[sub + 1], minimum2 = minima[sub + 1];
                Vector128<byte> q0 = Sixteen.Load(blocks[(48 + 16 * sub)..]), q1 = Sixteen.Load(blocks[(64 + 16 * sub)..]);
                Vector128<byte> bit = Vector128.Create((byte)16);
                int y = at + 32 * sub;
                to.Affine(Sixteen.Low(q0) | (fifth0 << 4 & bit), scale, minimum, y);
                to.Affine(Sixteen.Low(q1) | (fifth1 << 4 & bit), scale, minimum, y + 16);
                to.Affine(Sixteen.High(q0) | (fifth0 << 3 & bit), scale2, minimum2, y + 32);
                to.Affine(Sixteen.High(q1) | (fifth1 << 3 & bit), scale2, minimum2, y + 48);
                fifth0 >>>= 2;
                fifth1 >>>= 2;
            }
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        Span<byte> codes = stackalloc byte[Elements];
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            AffineEncoding.EightSubBlocks(Search, values[..Elements], blocks, codes);
            PackedCodes.Bits(codes, 16, blocks[16..]);
            PackedCodes.Nibbles(codes, 32, blocks[48..]);
        }
    }
}
