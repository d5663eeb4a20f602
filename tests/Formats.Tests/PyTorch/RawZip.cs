using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Marrow.Formats.PyTorch;

namespace Marrow.Formats.Tests.PyTorch;

/// <summary>One entry of a <see cref="RawZip"/>; each field may contradict the others.</summary>
internal sealed record RawEntry(string Name, byte[] Stored)
{
    public ushort Flags { get; init; } = 0x800;
    public ushort Method { get; init; }
    public uint? Crc { get; init; }
    public uint? StatedStored { get; init; }
    public uint? StatedBytes { get; init; }
    public uint? Local { get; init; }
    public string? LocalName { get; init; }
    public byte[] Extra { get; init; } = [];

    public static RawEntry Deflated(string name, byte[] content)
    {
        MemoryStream stored = new();
        using (DeflateStream deflate = new(stored, CompressionLevel.Optimal, leaveOpen: true))
            deflate.Write(content);
        return new RawEntry(name, stored.ToArray()) { Method = 8, StatedBytes = (uint)content.Length, Crc = Crc32.Append(0, content) };
    }
}

/// <summary>Puts zip bytes together without our writer, so that they may be wrong.</summary>
internal static class RawZip
{
    public static RawEntry[] Checkpoint(byte[] pickle, params (string Key, byte[] Data)[] storages) =>
        [new("t/data.pkl", pickle), .. storages.Select(s => new RawEntry($"t/data/{s.Key}", s.Data)), new("t/version", "3\n"u8.ToArray())];

    /// <summary>A checkpoint of one storage "0" of 24 bytes.</summary>
    public static byte[] Of(byte[] pickle) => Of(Checkpoint(pickle, ("0", new byte[24])));

    public static byte[] Of(params RawEntry[] entries)
    {
        MemoryStream file = new(), directory = new();
        foreach (RawEntry entry in entries)
        {
            long local = file.Position;
            Header(file, entry, local, central: false);
            file.Write(entry.Stored);
            Header(directory, entry, local, central: true);
        }
        long start = file.Position;
        file.Write(directory.ToArray());
        byte[] end = new byte[22];
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06054B50);
        BinaryPrimitives.WriteUInt16LittleEndian(end.AsSpan(8), (ushort)entries.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(end.AsSpan(10), (ushort)entries.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(12), (uint)directory.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(16), (uint)start);
        file.Write(end);
        return file.ToArray();
    }

    /// <summary>The file with the bytes at <paramref name="fromEnd"/> before its end replaced.</summary>
    public static byte[] Patch(byte[] file, int fromEnd, params byte[] bytes)
    {
        byte[] patched = [.. file];
        bytes.CopyTo(patched, file.Length - fromEnd);
        return patched;
    }

    /// <summary>A ZIP64 end record and its locator, put before the end record.</summary>
    public static byte[] With64(byte[] file, ulong count, ulong bytes, ulong start, ulong? locator = null)
    {
        byte[] records = new byte[76];
        BinaryPrimitives.WriteUInt32LittleEndian(records, 0x06064B50);
        BinaryPrimitives.WriteUInt64LittleEndian(records.AsSpan(4), 44);
        BinaryPrimitives.WriteUInt64LittleEndian(records.AsSpan(24), count);
        BinaryPrimitives.WriteUInt64LittleEndian(records.AsSpan(32), count);
        BinaryPrimitives.WriteUInt64LittleEndian(records.AsSpan(40), bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(records.AsSpan(48), start);
        BinaryPrimitives.WriteUInt32LittleEndian(records.AsSpan(56), 0x07064B50);
        BinaryPrimitives.WriteUInt64LittleEndian(records.AsSpan(64), locator ?? (ulong)(file.Length - 22));
        BinaryPrimitives.WriteUInt32LittleEndian(records.AsSpan(72), 1);
        return [.. file[..^22], .. records, .. file[^22..]];
    }

    public static byte[] Field64(params ulong[] values)
    {
        byte[] field = new byte[4 + 8 * values.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(field, 1);
        BinaryPrimitives.WriteUInt16LittleEndian(field.AsSpan(2), (ushort)(8 * values.Length));
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(field.AsSpan(4 + 8 * i), values[i]);
        return field;
    }

    private static void Header(Stream stream, RawEntry entry, long local, bool central)
    {
        byte[] name = Encoding.UTF8.GetBytes(central ? entry.Name : entry.LocalName ?? entry.Name);
        byte[] head = new byte[central ? 46 : 30];
        int at = central ? 8 : 6;
        BinaryPrimitives.WriteUInt32LittleEndian(head, central ? 0x02014B50u : 0x04034B50u);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(at), entry.Flags);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(at + 2), entry.Method);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(at + 8), entry.Crc ?? Crc32.Append(0, entry.Stored));
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(at + 12), central ? entry.StatedStored ?? (uint)entry.Stored.Length : (uint)entry.Stored.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(at + 16), entry.StatedBytes ?? (uint)entry.Stored.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(at + 20), (ushort)name.Length);
        if (central)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(30), (ushort)entry.Extra.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(42), entry.Local ?? (uint)local);
        }
        stream.Write(head);
        stream.Write(name);
        if (central)
            stream.Write(entry.Extra);
    }
}
