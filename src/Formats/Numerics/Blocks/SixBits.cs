namespace Marrow.Formats.Numerics.Blocks;

/// <summary>Eight scales and eight minima of 6 bits in 12 bytes, as Q4_K and Q5_K pack them (spec/formats.md §3.2).</summary>
internal static class SixBits
{
    /// <summary>Scale and minimum of sub-block <paramref name="j"/>.</summary>
    public static (int Scale, int Minimum) Read(ReadOnlySpan<byte> packed, int j) => j < 4
        ? (packed[j] & 63, packed[j + 4] & 63)
        : (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4);

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
