using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q4_1: an fp16 scale d, an fp16 minimum m and 32 codes of 4 bits, low nibbles first; y = q·d + m (spec/formats.md §3.2, §3.4).</summary>
internal static class Q4_1
{
    private const int Elements = 32, Bytes = 20;

    public static BlockFormat Format { get; } = new(DType.Q4_1, "Q4_1", 3, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks), m = Sixteen.Half(blocks[2..]);
            Vector128<byte> q = Sixteen.Load(blocks[4..]);
            to.Affine(Sixteen.Low(q), d, -m, at);
            to.Affine(Sixteen.High(q), d, -m, at + 16);
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            (float min, float max) = SixteenCodes.Range32(values);
            float d = (max - min) / 15, inverse = SixteenCodes.Inverse(d);
            Vector128<byte> top = Vector128.Create((byte)15);
            Vector128<byte> low = Vector128.Min(SixteenCodes.Truncated(values, min, inverse, 0.5f), top);
            Vector128<byte> high = Vector128.Min(SixteenCodes.Truncated(values[16..], min, inverse, 0.5f), top);
            SixteenCodes.Half(blocks, d);
            SixteenCodes.Half(blocks[2..], min);
            (low | high << 4).CopyTo(blocks[4..]);
        }
    }
}
