using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Q5_0: an fp16 scale d, the fifth bits of 32 codes, and their low nibbles as in Q4_0; y = (q − 16)·d (spec/formats.md §3.2, §3.4).</summary>
internal static class Q5_0
{
    private const int Elements = 32, Bytes = 22;

    public static BlockFormat Format { get; } = new(DType.Q5_0, "Q5_0", 6, Elements, Bytes) { Decode = Decode };

    private static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = Sixteen.Half(blocks);
            uint fifth = BinaryPrimitives.ReadUInt32LittleEndian(blocks[2..]);
            Vector128<byte> q = Sixteen.Load(blocks[6..]);
            Sixteen.Scaled((Sixteen.Low(q) | Sixteen.Bits(fifth, 16)).AsSByte() - Vector128.Create((sbyte)16), d, values);
            Sixteen.Scaled((Sixteen.High(q) | Sixteen.Bits(fifth >> 16, 16)).AsSByte() - Vector128.Create((sbyte)16), d, values[16..]);
        }
    }
}
