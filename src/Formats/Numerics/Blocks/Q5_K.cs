using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q5_K: eight sub-blocks of 32 codes of 5 bits, the fifth bits apart, with scales and minima as in Q4_K; y = (d·s)·q − e·t (spec/formats.md §3.2, §3.5).</summary>
internal static class Q5_K
{
    private const int Elements = 256, Bytes = 176;

    public static BlockFormat Format { get; } = new(DType.Q5_K, "Q5_K", 13, Elements, Bytes) { Decode = Decode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = Sixteen.Half(blocks), e = Sixteen.Half(blocks[2..]);
            Vector128<byte> fifth0 = Sixteen.Load(blocks[16..]), fifth1 = Sixteen.Load(blocks[32..]);
            for (int sub = 0; sub < 8; sub += 2)
            {
                (int s, int t) = SixBits.Read(blocks[4..], sub);
                (int s2, int t2) = SixBits.Read(blocks[4..], sub + 1);
                float scale = d * s, minimum = e * t, scale2 = d * s2, minimum2 = e * t2;
                Vector128<byte> q0 = Sixteen.Load(blocks[(48 + 16 * sub)..]), q1 = Sixteen.Load(blocks[(64 + 16 * sub)..]);
                Vector128<byte> bit = Vector128.Create((byte)16);
                Span<float> y = values[(32 * sub)..];
                Sixteen.Affine(Sixteen.Low(q0) | (fifth0 << 4 & bit), scale, minimum, y);
                Sixteen.Affine(Sixteen.Low(q1) | (fifth1 << 4 & bit), scale, minimum, y[16..]);
                Sixteen.Affine(Sixteen.High(q0) | (fifth0 << 3 & bit), scale2, minimum2, y[32..]);
                Sixteen.Affine(Sixteen.High(q1) | (fifth1 << 3 & bit), scale2, minimum2, y[48..]);
                fifth0 >>>= 2;
                fifth1 >>>= 2;
            }
        }
    }
}
