using System.Buffers.Binary;

namespace Marrow.Formats.PyTorch;

/// <summary>An entry's three numbers, of which those that do not fit 32 bits stand in the ZIP64 extra field.</summary>
internal struct Zip64Sizes(uint stored, uint bytes, uint local)
{
    public ulong Stored = stored;
    public ulong Bytes = bytes;
    public ulong Local = local;

    /// <summary>Looks through the extra fields; false where they are malformed or miss a number that they must hold.</summary>
    public bool Read(ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            int id = BinaryPrimitives.ReadUInt16LittleEndian(extra), length = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (length > extra.Length - 4)
                return false;
            if (id == ZipDirectory.Zip64Field)
            {
                ReadOnlySpan<byte> field = extra.Slice(4, length);
                return Take(ref Bytes, ref field) && Take(ref Stored, ref field) && Take(ref Local, ref field);
            }
            extra = extra[(4 + length)..];
        }
        return Bytes != uint.MaxValue && Stored != uint.MaxValue && Local != uint.MaxValue;
    }

    private static bool Take(ref ulong value, ref ReadOnlySpan<byte> field)
    {
        if (value != uint.MaxValue)
            return true;
        if (field.Length < sizeof(ulong))
            return false;
        value = BinaryPrimitives.ReadUInt64LittleEndian(field);
        field = field[sizeof(ulong)..];
        return true;
    }
}
