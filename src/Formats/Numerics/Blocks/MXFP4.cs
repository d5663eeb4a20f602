using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>MXFP4: an 8-bit exponent and 32 codes of 4 bits, low nibbles first, into the values of E2M1; y = level·scale (spec/formats.md §3.2; OCP Microscaling Formats 1.0).</summary>
internal static class MXFP4
{
    private const int Elements = 32, Bytes = 17;

    public static BlockFormat Format { get; } = new(DType.MXFP4, "MXFP4", 39, Elements, Bytes) { Decode = Decode, Unpack = Decode };

    /// <summary>The values of E2M1, doubled.</summary>
    public static Vector128<sbyte> Levels => Vector128.Create(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

    private static void Decode<T>(ReadOnlySpan<byte> blocks, T to) where T : struct, ISixteens, allows ref struct
    {
        for (int at = 0; !blocks.IsEmpty; blocks = blocks[Bytes..], at += Elements)
        {
            float d = HalfScale(blocks[0]);
            Vector128<byte> q = Sixteen.Load(blocks[1..]);
            to.Scaled(Vector128.ShuffleNative(Levels, Sixteen.Low(q).AsSByte()), d, at);
            to.Scaled(Vector128.ShuffleNative(Levels, Sixteen.High(q).AsSByte()), d, at + 16);
        }
    }

    /// <summary>Half the scale, as the levels are doubled: 2^(e − 128), which is subnormal for the two smallest.</summary>
    private static float HalfScale(byte e) => BitConverter.UInt32BitsToSingle(e < 2 ? 0x00200000u << e : (uint)(e - 1) << 23);
}
