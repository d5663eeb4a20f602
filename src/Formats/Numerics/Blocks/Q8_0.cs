using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q8_0: an fp16 scale d and 32 signed bytes q; y = q·d (spec/formats.md §3.2, §3.4).</summary>
internal static class Q8_0
{
    private const int Elements = 32, Bytes = 34;

    // With the largest number below a half, truncation rounds halves away from zero and nothing else.
    private const float AlmostHalf = 0.49999997f;

    public static BlockFormat Format { get; } = new(DType.Q8_0, "Q8_0", 8, Elements, Bytes) { Decode = Decode, Unpack = Decode, Encode = Encode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks);
            to.Scaled(Sixteen.Load(blocks[2..]).AsSByte(), d, at);
            to.Scaled(Sixteen.Load(blocks[18..]).AsSByte(), d, at + 16);
        }
    }

    private static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = MathF.Abs(SixteenCodes.Largest32(values)) / 127, inverse = SixteenCodes.Inverse(d);
            SixteenCodes.Half(blocks, d);
            SixteenCodes.Truncated(values, 0, inverse, AlmostHalf, away: true).CopyTo(blocks[2..]);
            SixteenCodes.Truncated(values[16..], 0, inverse, AlmostHalf, away: true).CopyTo(blocks[18..]);
        }
    }
}
