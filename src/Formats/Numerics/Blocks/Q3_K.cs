using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q3_K: sixteen sub-blocks of 16 codes of 3 bits, the third bits apart, each with a 6-bit signed scale s, and an fp16 d for the block; y = (d·s)·(q − 4) (spec/formats.md §3.2, §3.5).</summary>
internal static class Q3_K
{
    private const int Elements = 256, Bytes = 110;

    public static BlockFormat Format { get; } = new(DType.Q3_K, "Q3_K", 11, Elements, Bytes) { Decode = Decode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
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
                    Sixteen.Scaled(code.AsSByte(), d * Scale(blocks[96..], sub), values[(16 * sub)..]);
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
}
