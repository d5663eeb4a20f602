using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q8_1: an fp16 scale d, the fp16 sum of the values, and 32 signed bytes q; y = q·d (spec/formats.md §3.2). A type of activations: read, never written.</summary>
internal static class Q8_1
{
    private const int Elements = 32, Bytes = 36;

    public static BlockFormat Format { get; } = new(DType.Q8_1, "Q8_1", 9, Elements, Bytes) { Decode = Decode, Unpack = Decode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks);
            to.Scaled(Sixteen.Load(blocks[4..]).AsSByte(), d, at);
            to.Scaled(Sixteen.Load(blocks[20..]).AsSByte(), d, at + 16);
        }
    }
}
