using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q4_1: an fp16 scale d, an fp16 minimum m and 32 codes of 4 bits, low nibbles first; y = q·d + m (spec/formats.md §3.2, §3.4).</summary>
internal static class Q4_1
{
    private const int Elements = 32, Bytes = 20;

    public static BlockFormat Format { get; } = new(DType.Q4_1, "Q4_1", 3, Elements, Bytes) { Decode = Decode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = Sixteen.Half(blocks), m = Sixteen.Half(blocks[2..]);
            Vector128<byte> q = Sixteen.Load(blocks[4..]);
            Sixteen.Affine(Sixteen.Low(q), d, -m, values);
            Sixteen.Affine(Sixteen.High(q), d, -m, values[16..]);
        }
    }
}
