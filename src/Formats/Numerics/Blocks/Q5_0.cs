using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q5_0: an fp16 scale d, the fifth bits of 32 codes, and their low nibbles as in Q4_0; y = (q − 16)·d (spec/formats.md §3.2, §3.4).</summary>
internal static class Q5_0
{
    private const int Elements = 32, Bytes = 22;

    public static BlockFormat Format { get; } = new(DType.Q5_0, "Q5_0", 6, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks);
            uint fifth = BinaryPrimitives.ReadUInt32LittleEndian(blocks[2..]);
            Vector128<byte> q = Sixteen.Load(blocks[6..]);
            to.Scaled((Sixteen.Low(q) | Sixteen.Bits(fifth, 16)).AsSByte() - Vector128.Create((sbyte)16), d, at);
            to.Scaled((Sixteen.High(q) | Sixteen.Bits(fifth >> 16, 16)).AsSByte() - Vector128.Create((sbyte)16), d, at + 16);
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = SixteenCodes.Largest32(values) / -16, inverse = SixteenCodes.Inverse(d);
            Vector128<byte> top = Vector128.Create((byte)31);
            Vector128<byte> low = Vector128.Min(SixteenCodes.Truncated(values, 0, inverse, 16.5f), top);
            Vector128<byte> high = Vector128.Min(SixteenCodes.Truncated(values[16..], 0, inverse, 16.5f), top);
            SixteenCodes.Half(blocks, d);
            SixteenCodes.FiveBits(low, high, blocks[2..]);
        }
    }
}
