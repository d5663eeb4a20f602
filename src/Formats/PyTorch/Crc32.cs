using System.Buffers.Binary;

namespace Marrow.Formats.PyTorch;

/// <summary>The CRC-32 of ZIP files (reflected polynomial 0xEDB88320), eight bytes a step.</summary>
internal static class Crc32
{
    private const int Slices = 8;

    private static readonly uint[][] Tables = MakeTables();

    /// <summary>The CRC of what <paramref name="crc"/> covers followed by <paramref name="data"/>; start with 0.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        uint[][] tables = Tables;
        uint state = ~crc;
        while (data.Length >= Slices)
        {
            ulong word = BinaryPrimitives.ReadUInt64LittleEndian(data) ^ state;
            state = 0;
            for (int i = 0; i < Slices; i++)
                state ^= tables[Slices - 1 - i][(byte)(word >> (8 * i))];
            data = data[Slices..];
        }
        foreach (byte value in data)
            state = tables[0][(byte)(state ^ value)] ^ (state >> 8);
        return ~state;
    }

    /// <summary>Table s holds, for each byte, what it does to the state when s more bytes follow it.</summary>
    private static uint[][] MakeTables()
    {
        uint[][] tables = new uint[Slices][];
        for (int s = 0; s < Slices; s++)
        {
            tables[s] = new uint[256];
            for (int value = 0; value < 256; value++)
            {
                uint state = s == 0 ? (uint)value : tables[s - 1][value];
                for (int bit = 0; bit < 8; bit++)
                    state = (state >> 1) ^ (0xEDB88320 & (0 - (state & 1)));
                tables[s][value] = state;
            }
        }
        return tables;
    }
}
