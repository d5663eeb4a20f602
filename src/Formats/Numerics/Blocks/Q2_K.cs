using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q2_K: sixteen sub-blocks of 16 codes of 2 bits, each with a 4-bit scale s and minimum t, and fp16 d and e for the block; y = (d·s)·q − e·t (spec/formats.md §3.2, §3.5).</summary>
internal static class Q2_K
{
    private const int Elements = 256, Bytes = 84;

    private static readonly AffineSearch Search = new(3, -0.5f, 15, Absolute: true);

    public static BlockFormat Format { get; } = new(DType.Q2_K, "Q2_K", 10, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks[80..]), e = Sixteen.Half(blocks[82..]);
            for (int part = 0; part < 4; part++)
            {
                // Sixteen bytes hold the codes of four sub-blocks, 32 elements apart.
                int first = 8 * (part / 2) + part % 2;
                Vector128<byte> q = Sixteen.Load(blocks[(16 + 16 * part)..]);
                for (int sub = first; sub < first + 8; sub += 2)
                {
                    int s = blocks[sub];
                    to.Affine(q & Vector128.Create((byte)3), d * (s & 15), e * (s >> 4), at + 16 * sub);
                    q >>>= 2;
                }
            }
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        Span<byte> codes = stackalloc byte[Elements];
        Span<float> room = stackalloc float[64];
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            var encoding = new AffineEncoding(Search, values[..Elements], 16, room);
            for (int sub = 0; sub < 16; sub++)
                blocks[sub] = (byte)(encoding.Scale(sub, 15) | encoding.Minimum(sub, 15) << 4);
            SixteenCodes.Half(blocks[80..], encoding.LargestScale / 15);
            SixteenCodes.Half(blocks[82..], encoding.LargestMinimum / 15);
            float d = Sixteen.Half(blocks[80..]), e = Sixteen.Half(blocks[82..]);
            for (int sub = 0; sub < 16; sub++)
                encoding.Codes(sub, d * (blocks[sub] & 15), e * (blocks[sub] >> 4), codes);
            PackedCodes.Pairs(codes, 0, blocks[16..]);
        }
    }
}
