using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q8_K: an fp32 scale d, 256 signed bytes q and the sums of their sixteens; y = d·q (spec/formats.md §3.2). A type of activations: read, never written.</summary>
internal static class Q8_K
{
    private const int Elements = 256, Bytes = 292;

    public static BlockFormat Format { get; } = new(DType.Q8_K, "Q8_K", 15, Elements, Bytes) { Decode = Decode, Unpack = Decode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = BinaryPrimitives.ReadSingleLittleEndian(blocks);
            for (int i = 0; i < Elements; i += 16)
                to.Scaled(Sixteen.Load(blocks[(4 + i)..]).AsSByte(), d, at + i);
        }
    }
}
