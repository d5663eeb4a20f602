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
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks), e = Sixteen.Half(blocks[2..]);
            for (int sub = 0; sub < 8; sub += 2)
            {
                (int s, int t) = SixBits.Read(blocks[4..], sub);
                (int s2, int t2) = SixBits.Read(blocks[4..], sub + 1);
                float scale = d * s, minimum = e * t, scale2 = d * s2, minimum2 = e * t2;
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
