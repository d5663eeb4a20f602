using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q6_K: sixteen sub-blocks of 16 codes of 6 bits, low nibbles and high pairs apart, each with a signed byte scale s, and an fp16 d for the block; y = (d·s)·(q − 32) (spec/formats.md §3.2, §3.5).</summary>
internal static class Q6_K
{
    private const int Elements = 256, Bytes = 210;

    public static BlockFormat Format { get; } = new(DType.Q6_K, "Q6_K", 14, Elements, Bytes) { Decode = Decode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = Sixteen.Half(blocks[208..]);
            for (int part = 0; part < 4; part++)
            {
                // Of the elements of a half, 64 bytes hold the low nibbles (those of the second 64 above those of the first) and 32 the high pairs.
                int half = part / 2, column = 16 * (part % 2);
                ReadOnlySpan<byte> nibbles = blocks[(64 * half + column)..], scales = blocks[(192 + 8 * half + part % 2)..];
                Span<float> y = values[(128 * half + column)..];
                Vector128<byte> even = Sixteen.Load(nibbles), odd = Sixteen.Load(nibbles[32..]);
                Vector128<byte> high = Sixteen.Load(blocks[(128 + 32 * half + column)..]), pair = Vector128.Create((byte)0x30);
                Vector128<sbyte> middle = Vector128.Create((sbyte)32);
                Sixteen.Scaled((Sixteen.Low(even) | (high << 4 & pair)).AsSByte() - middle, d * (sbyte)scales[0], y);
                Sixteen.Scaled((Sixteen.Low(odd) | (high << 2 & pair)).AsSByte() - middle, d * (sbyte)scales[2], y[32..]);
                Sixteen.Scaled((Sixteen.High(even) | (high & pair)).AsSByte() - middle, d * (sbyte)scales[4], y[64..]);
                Sixteen.Scaled((Sixteen.High(odd) | (high >>> 2 & pair)).AsSByte() - middle, d * (sbyte)scales[6], y[96..]);
            }
        }
    }
}
