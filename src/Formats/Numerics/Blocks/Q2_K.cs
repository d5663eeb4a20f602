using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q2_K: sixteen sub-blocks of 16 codes of 2 bits, each with a 4-bit scale s and minimum t, and fp16 d and e for the block; y = (d·s)·q − e·t (spec/formats.md §3.2, §3.5).</summary>
internal static class Q2_K
{
    private const int Elements = 256, Bytes = 84;

    public static BlockFormat Format { get; } = new(DType.Q2_K, "Q2_K", 10, Elements, Bytes) { Decode = Decode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
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
                    Sixteen.Affine(q & Vector128.Create((byte)3), d * (s & 15), e * (s >> 4), values[(16 * sub)..]);
                    q >>>= 2;
                }
            }
        }
    }
}
