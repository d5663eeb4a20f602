using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q4_0: an fp16 scale d and 32 codes of 4 bits, low nibbles first; y = (q − 8)·d (spec/formats.md §3.2, §3.4).</summary>
internal static class Q4_0
{
    private const int Elements = 32, Bytes = 18;

    public static BlockFormat Format { get; } = new(DType.Q4_0, "Q4_0", 2, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks);
            Vector128<byte> q = Sixteen.Load(blocks[2..]);
            to.Scaled(Sixteen.Low(q).AsSByte() - Vector128.Create((sbyte)8), d, at);
            to.Scaled(Sixteen.High(q).AsSByte() - Vector128.Create((sbyte)8), d, at + 16);
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = SixteenCodes.Largest32(values) / -8, inverse = SixteenCodes.Inverse(d);
            Vector128<byte> top = Vector128.Create((byte)15);
            Vector128<byte> low = Vector128.Min(SixteenCodes.Truncated(values, 0, inverse, 8.5f), top);
            Vector128<byte> high = Vector128.Min(SixteenCodes.Truncated(values[16..], 0, inverse, 8.5f), top);
            SixteenCodes.Half(blocks, d);
            (low | high << 4).CopyTo(blocks[2..]);
        }
    }
}
