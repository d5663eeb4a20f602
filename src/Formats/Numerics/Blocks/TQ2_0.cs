using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>TQ2_0: 256 codes −1, 0, 1 of 2 bits and an fp16 scale d; y = q·d (spec/formats.md §3.2).</summary>
internal static class TQ2_0
{
    private const int Elements = 256, Bytes = 66;

    public static BlockFormat Format { get; } = new(DType.TQ2_0, "TQ2_0", 35, Elements, Bytes) { Decode = Decode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = Sixteen.Half(blocks[64..]);
            for (int part = 0; part < 4; part++)
            {
                Vector128<byte> b = Sixteen.Load(blocks[(16 * part)..]);
                Span<float> y = values[(128 * (part / 2) + 16 * (part % 2))..];
                for (int e = 0; e < 128; e += 32)
                {
                    Sixteen.Scaled((b & Vector128.Create((byte)3)).AsSByte() - Vector128<sbyte>.One, d, y[e..]);
                    b >>>= 2;
                }
            }
        }
    }
}
