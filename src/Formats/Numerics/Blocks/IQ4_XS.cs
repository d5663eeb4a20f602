using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>IQ4_XS: eight sub-blocks of 32 codes of 4 bits into the levels of IQ4_NL, each with a 6-bit signed scale s, and an fp16 d for the block; y = (d·(s − 32))·level (spec/formats.md §3.2).</summary>
internal static class IQ4_XS
{
    private const int Elements = 256, Bytes = 136;

    public static BlockFormat Format { get; } = new(DType.IQ4_XS, "IQ4_XS", 23, Elements, Bytes) { Decode = Decode, Unpack = Decode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = Sixteen.Half(blocks);
            int high = BinaryPrimitives.ReadUInt16LittleEndian(blocks[2..]);
            for (int sub = 0; sub < 8; sub++)
            {
                int low = blocks[4 + sub / 2] >> (4 * (sub % 2)) & 15;
                float scale = d * ((low | (high >> (2 * sub) & 3) << 4) - 32);
                Vector128<byte> q = Sixteen.Load(blocks[(8 + 16 * sub)..]);
                to.Scaled(Vector128.ShuffleNative(IQ4_NL.Levels, Sixteen.Low(q).AsSByte()), scale, at + 32 * sub);
                to.Scaled(Vector128.ShuffleNative(IQ4_NL.Levels, Sixteen.High(q).AsSByte()), scale, at + 32 * sub + 16);
            }
        }
    }
}
