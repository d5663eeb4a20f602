using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>NVFP4: four sub-blocks of 16 codes of 4 bits into the values of E2M1, each with an unsigned E4M3 scale; y = level·scale (spec/formats.md §3.2).</summary>
internal static class NVFP4
{
    private const int Elements = 64, Bytes = 36;

    public static BlockFormat Format { get; } = new(DType.NVFP4, "NVFP4", 40, Elements, Bytes) { Decode = Decode, Unpack = Decode };

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            for (int pair = 0; pair < 2; pair++)
            {
                // Eight bytes hold a sub-block, low nibbles first.
                Vector128<byte> q = Sixteen.Load(blocks[(4 + 16 * pair)..]);
                Vector128<sbyte> low = Vector128.ShuffleNative(MXFP4.Levels, Sixteen.Low(q).AsSByte());
                Vector128<sbyte> high = Vector128.ShuffleNative(MXFP4.Levels, Sixteen.High(q).AsSByte());
                to.Scaled(Vector128.Create(low.GetLower(), high.GetLower()), HalfScale(blocks[2 * pair]), at + 32 * pair);
                to.Scaled(Vector128.Create(low.GetUpper(), high.GetUpper()), HalfScale(blocks[2 * pair + 1]), at + 32 * pair + 16);
            }
        }
    }

    /// <summary>Half the scale, as the levels are doubled; the code of NaN counts as zero.</summary>
    private static float HalfScale(byte code)
    {
        int exponent = code >> 3 & 15, mantissa = code & 7;
        if (code == 0x7F)
            return 0;
        return exponent == 0 ? mantissa * (1f / 1024) : BitConverter.UInt32BitsToSingle((uint)(exponent + 119) << 23 | (uint)mantissa << 20);
    }
}
