using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q8_1: an fp16 scale d, the fp16 sum of the values, and 32 signed bytes q; y = q·d (spec/formats.md §3.2). A type of activations: read, never written.</summary>
internal static class Q8_1
{
    private const int Elements = 32, Bytes = 36;

    public static BlockFormat Format { get; } = new(DType.Q8_1, "Q8_1", 9, Elements, Bytes) { Decode = Decode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = Sixteen.Half(blocks);
            Sixteen.Scaled(Sixteen.Load(blocks[4..]).AsSByte(), d, values);
            Sixteen.Scaled(Sixteen.Load(blocks[20..]).AsSByte(), d, values[16..]);
        }
    }
}
