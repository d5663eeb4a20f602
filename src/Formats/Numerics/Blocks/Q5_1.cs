using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q5_1: an fp16 scale d, an fp16 minimum m, the fifth bits of 32 codes, and their low nibbles as in Q4_0; y = q·d + m (spec/formats.md §3.2, §3.4).</summary>
internal static class Q5_1
{
    private const int Elements = 32, Bytes = 24;

    public static BlockFormat Format { get; } = new(DType.Q5_1, "Q5_1", 7, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks), m = Sixteen.Half(blocks[2..]);
            uint fifth = BinaryPrimitives.ReadUInt32LittleEndian(blocks[4..]);
            Vector128<byte> q = Sixteen.Load(blocks[8..]);
            to.Affine(Sixteen.Low(q) | Sixteen.Bits(fifth, 16), d, -m, at);
            to.Affine(Sixteen.High(q) | Sixteen.Bits(fifth >> 16, 16), d, -m, at + 16);
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            (float min, float max) = SixteenCodes.Range32(values);
            float d = (max - min) / 31, inverse = SixteenCodes.Inverse(d);
            Vector128<byte> low = SixteenCodes.Truncated(values, min, inverse, 0.5f);
            Vector128<byte> high = SixteenCodes.Truncated(values[16..], min, inverse, 0.5f);
            SixteenCodes.Half(blocks, d);
            SixteenCodes.Half(blocks[2..], min);
            SixteenCodes.FiveBits(low, high, blocks[4..]);
        }
    }
}
