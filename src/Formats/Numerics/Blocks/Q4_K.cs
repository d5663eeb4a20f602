using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q4_K: eight sub-blocks of 32 codes of 4 bits, each with a 6-bit scale s and minimum t, and fp16 d and e for the block; y = (d·s)·q − e·t (spec/formats.md §3.2, §3.5).</summary>
internal static class Q4_K
{
    private const int Elements = 256, Bytes = 144;

    private static readonly AffineSearch Search = new(15, -1, 20, Absolute: false);

    public static BlockFormat Format { get; } = new(DType.Q4_K, "Q4_K", 12, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        Span<float> scales = stackalloc float[8], minima = stackalloc float[8];
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            SixBits.Read(blocks[4..], Sixteen.Half(blocks), Sixteen.Half(blocks[2..]), scales, minima);
            for (int sub = 0; sub < 8; sub += 2)
            {
                float scale = scales[sub], minimum = minima[sub], scale2 = scales[sub + 1], minimum2 = minima[sub + 1];
                for (int column = 0; column < 32; column += 16)
                {
                    Vector128<byte> q = Sixteen.Load(blocks[(16 + 16 * sub + column)..]);
                    to.Affine(Sixteen.Low(q), scale, minimum, at + 32 * sub + column);
                    to.Affine(Sixteen.High(q), scale2, minimum2, at + 32 * sub + 32 + column);
                }
            }
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        Span<byte> codes = stackalloc byte[Elements];
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            AffineEncoding.EightSubBlocks(Search, values[..Elements], blocks, codes);
            PackedCodes.Nibbles(codes, 32, blocks[16..]);
        }
    }
}
