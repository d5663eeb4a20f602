using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Eight scales and eight minima of 6 bits in 12 bytes, as Q4_K and Q5_K pack them (spec/formats.md §3.2).</summary>
internal static class SixBits
{
    /// <summary>Scale and minimum of sub-block <paramref name="j"/>.</summary>
    public static (int Scale, int Minimum) Read(ReadOnlySpan<byte> packed, int j) => j < 4
        ? (packed[j] & 63, packed[j + 4] & 63)
        : (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4);

    /// <summary>All eight scales, times <paramref name="d"/>, and all eight minima, times <paramref name="e"/>.</summary>
    public static void Read(ReadOnlySpan<byte> packed, float d, float e, Span<float> scales, Span<float> minima)
    {
        uint a = BinaryPrimitives.ReadUInt32LittleEndian(packed), b = BinaryPrimitives.ReadUInt32LittleEndian(packed[4..]), c = BinaryPrimitives.ReadUInt32LittleEndian(packed[8..]);
        const uint six = 0x3F3F3F3F, four = 0x0F0F0F0F, upper = 0x30303030;
        Four(a & six, d, scales);
        Four(c & four | a >> 2 & upper, d, scales[4..]);
        Four(b & six, e, minima);
        Four(c >> 4 & four | b >> 2 & upper, e, minima[4..]);
    }

    private static void Four(uint bytes, float factor, Span<float> to)
    {
        Vector128<ushort> wide = Vector128.WidenLower(Vector128.CreateScalarUnsafe(bytes).AsByte());
        (Vector128.ConvertToSingle(Vector128.WidenLower(wide).AsInt32()) * factor).CopyTo(to);
    }

    /// <summary>Writes scale and minimum of sub-block <paramref name="j"/>; sub-blocks must be written in order.</summary>
    public static void Write(Span<byte> packed, int j, int scale, int minimum)
    {
        if (j < 4)
        {
            packed[j] = (byte)scale;
            packed[j + 4] = (byte)minimum;
        }
        else
        {
            packed[j + 4] = (byte)(scale & 15 | (minimum & 15) << 4);
            packed[j - 4] |= (byte)(scale >> 4 << 6);
            packed[j] |= (byte)(minimum >> 4 << 6);
        }
    }
}
