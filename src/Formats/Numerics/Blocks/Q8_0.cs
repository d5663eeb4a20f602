using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q8_0: an fp16 scale d and 32 signed bytes q; y = q·d (spec/formats.md §3.2, §3.4).</summary>
internal static class Q8_0
{
    private const int Elements = 32, Bytes = 34;

    public static BlockFormat Format { get; } = new(DType.Q8_0, "Q8_0", 8, Elements, Bytes) { Decode = Decode, Encode = Encode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (int at = 0, e = 0; at < blocks.Length; at += Bytes, e += Elements)
        {
            float d = (float)BinaryPrimitives.ReadHalfLittleEndian(blocks[at..]);
            ReadOnlySpan<sbyte> q = MemoryMarshal.Cast<byte, sbyte>(blocks.Slice(at + 2, Elements));
            for (int i = 0; i < Elements; i++)
                values[e + i] = q[i] * d;
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (int at = 0, e = 0; at < blocks.Length; at += Bytes, e += Elements)
        {
            ReadOnlySpan<float> x = values.Slice(e, Elements);
            float largest = 0;
            foreach (float v in x)
                largest = MathF.Max(largest, MathF.Abs(v));
            float d = largest / 127, inverse = d != 0 ? 1 / d : 0;
            BinaryPrimitives.WriteHalfLittleEndian(blocks[at..], (Half)d);
            for (int i = 0; i < Elements; i++)
                blocks[at + 2 + i] = (byte)(sbyte)MathF.Round(x[i] * inverse, MidpointRounding.AwayFromZero);
        }
    }
}
