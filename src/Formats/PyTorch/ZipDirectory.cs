using System.Buffers.Binary;
using System.Text;

namespace Marrow.Formats.PyTorch;

/// <summary>
/// Reads the directory at the end of a ZIP archive, ZIP64 included, and checks every entry against its local header and its neighbours:
/// afterwards each range is known to lie in the file and to overlap no other (spec/formats.md §4.1).
/// </summary>
internal sealed class ZipDirectory
{
    internal const uint LocalSignature = 0x04034B50, CentralSignature = 0x02014B50, EndSignature = 0x06054B50,
        End64Signature = 0x06064B50, Locator64Signature = 0x07064B50;

    internal const int LocalBytes = 30, CentralBytes = 46, EndBytes = 22, End64Bytes = 56, Locator64Bytes = 20;

    internal const ushort Zip64Field = 1;

    private const int MostEntries = 100_000;
    private const int LongestName = 1024;
    private const int LongestDirectory = 16 << 20;
    private const int Encrypted = 0x1 | 0x40 | 0x2000, SizesFollow = 0x8;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly DataSource _file;
    private readonly string _path;
    private long _directoryStart;
    private long _directoryBytes;
    private long _count;

    private ZipDirectory(DataSource file)
    {
        _file = file;
        _path = file.Path;
    }

    /// <summary>What the directory says of one entry, before its local header is seen.</summary>
    private readonly record struct Listed(string Name, ushort Flags, ushort Method, uint Crc, long Stored, long Bytes, long Local);

    /// <summary>Every entry by name.</summary>
    /// <exception cref="ModelFileException">PT002 … PT008.</exception>
    public static Dictionary<string, ZipEntry> Read(DataSource file)
    {
        ZipDirectory directory = new(file);
        directory.FindDirectory();
        return directory.Locate(directory.List());
    }

    private void FindDirectory()
    {
        byte[] tail = new byte[(int)Math.Min(_file.Length, EndBytes + ushort.MaxValue)];
        long tailStart = _file.Length - tail.Length;
        InputFile.ReadExactly(_file.Handle, _path, tailStart, tail);
        int at = tail.AsSpan().LastIndexOf("PK\u0005\u0006"u8);
        if (at < 0 || tail.Length - at < EndBytes)
            throw Broken("there is no end record of a zip archive; the file was cut short, fetch it again");
        ReadOnlySpan<byte> end = tail.AsSpan(at);
        int comment = BinaryPrimitives.ReadUInt16LittleEndian(end[20..]);
        if (comment != end.Length - EndBytes)
            throw Broken($"the zip archive's end record at byte {tailStart + at} is followed by {end.Length - EndBytes} bytes, but states {comment}; the file is damaged, fetch it again");
        if (end[4..8].ContainsAnyExcept((byte)0))
            throw Broken("the zip archive is spread over several disks; only single files are read");
        ushort here = BinaryPrimitives.ReadUInt16LittleEndian(end[8..]), all = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(end[12..]), start = BinaryPrimitives.ReadUInt32LittleEndian(end[16..]);
        if (here != all)
            throw Broken($"the zip archive's end record states {here} and {all} entries; the file is damaged, fetch it again");
        (_count, _directoryBytes, _directoryStart) = (all, size, start);
        long limit = tailStart + at;
        if (FindEnd64(limit) is long end64)
            limit = end64;
        else if (all == ushort.MaxValue || size == uint.MaxValue || start == uint.MaxValue)
            throw Broken("the zip archive's end record refers to a ZIP64 record that is not there; the file is damaged, fetch it again");
        if (_directoryStart > limit || _directoryBytes > limit - _directoryStart)
            throw Broken($"the zip directory of {_directoryBytes} bytes at byte {_directoryStart} reaches past byte {limit}, where it must end; the file is damaged, fetch it again");
        if (_count > _directoryBytes / CentralBytes)
            throw Broken($"the zip archive states {_count} entries, but its directory of {_directoryBytes} bytes cannot hold them; the file is damaged, fetch it again");
        if (_count > MostEntries || _directoryBytes > LongestDirectory)
            throw Broken($"the zip archive has {_count} entries in a directory of {_directoryBytes} bytes; at most {MostEntries} in {LongestDirectory} bytes are read");
    }

    /// <summary>Takes the ZIP64 end record's numbers where there is one; its place, or null without one.</summary>
    private long? FindEnd64(long end)
    {
        Span<byte> record = stackalloc byte[End64Bytes];
        Span<byte> locator = record[..Locator64Bytes];
        if (end < Locator64Bytes + End64Bytes)
            return null;
        InputFile.ReadExactly(_file.Handle, _path, end - Locator64Bytes, locator);
        if (BinaryPrimitives.ReadUInt32LittleEndian(locator) != Locator64Signature)
            return null;
        ulong at = BinaryPrimitives.ReadUInt64LittleEndian(locator[8..]);
        if (at > (ulong)(end - Locator64Bytes - End64Bytes))
            throw Wrong64($"its locator points to byte {at}");
        InputFile.ReadExactly(_file.Handle, _path, (long)at, record);
        if (BinaryPrimitives.ReadUInt32LittleEndian(record) != End64Signature)
            throw Wrong64($"there is none at byte {at}");
        if (record[16..24].ContainsAnyExcept((byte)0))
            throw Broken("the zip archive is spread over several disks; only single files are read");
        ulong count = BinaryPrimitives.ReadUInt64LittleEndian(record[32..]), bytes = BinaryPrimitives.ReadUInt64LittleEndian(record[40..]),
            start = BinaryPrimitives.ReadUInt64LittleEndian(record[48..]);
        if (count > long.MaxValue || bytes > long.MaxValue || start > long.MaxValue || count != BinaryPrimitives.ReadUInt64LittleEndian(record[24..])
            || !Agrees(_count, ushort.MaxValue, count) || !Agrees(_directoryBytes, uint.MaxValue, bytes) || !Agrees(_directoryStart, uint.MaxValue, start))
            throw Wrong64($"it states {count} entries in {bytes} bytes at byte {start}, the short end record another thing");
        (_count, _directoryBytes, _directoryStart) = ((long)count, (long)bytes, (long)start);
        return (long)at;
    }

    private static bool Agrees(long stated, long elsewhere, ulong value) => stated == elsewhere || (ulong)stated == value;

    private List<Listed> List()
    {
        using FileRange range = new(_file.Handle, _path, _directoryStart, _directoryBytes);
        ByteReader reader = new(range, _directoryBytes, _path, "PT002", "the zip directory");
        List<Listed> entries = [];
        HashSet<string> names = [];
        while (entries.Count < _count)
        {
            Listed entry = Next(reader);
            if (!names.Add(entry.Name))
                throw new ModelFileException("PT003", _path, $"the zip archive has two entries '{Echo.Name(entry.Name)}'; readers may differ on which counts, so it is refused; save it anew");
            entries.Add(entry);
        }
        return reader.Remaining == 0 ? entries
            : throw Broken($"the zip directory has {reader.Remaining} bytes behind its {_count} entries; the file is damaged, fetch it again");
    }

    private Listed Next(ByteReader reader)
    {
        ReadOnlySpan<byte> head = reader.Take(CentralBytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(head) != CentralSignature)
            throw Broken($"the zip directory has no entry at byte {_directoryStart + reader.Position - CentralBytes}; the file is damaged, fetch it again");
        ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(head[8..]), method = BinaryPrimitives.ReadUInt16LittleEndian(head[10..]);
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(head[16..]), stored = BinaryPrimitives.ReadUInt32LittleEndian(head[20..]),
            bytes = BinaryPrimitives.ReadUInt32LittleEndian(head[24..]), local = BinaryPrimitives.ReadUInt32LittleEndian(head[42..]);
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(head[28..]), extraLength = BinaryPrimitives.ReadUInt16LittleEndian(head[30..]),
            commentLength = BinaryPrimitives.ReadUInt16LittleEndian(head[32..]);
        string name = NameOf(reader.Take(nameLength));
        Zip64Sizes sizes = new(stored, bytes, local);
        bool whole = sizes.Read(reader.Take(extraLength));
        reader.Take(commentLength);
        if (!whole || sizes.Stored > long.MaxValue || sizes.Bytes > long.MaxValue || sizes.Local > long.MaxValue)
            throw Mismatch(name, $"its ZIP64 sizes are missing or beyond all bounds ({sizes.Stored} and {sizes.Bytes} bytes at byte {sizes.Local})");
        if ((flags & Encrypted) != 0)
            throw new ModelFileException("PT007", _path, $"zip entry '{Echo.Name(name)}' is encrypted; decrypt the archive first");
        return new Listed(name, flags, method, crc, (long)sizes.Stored, (long)sizes.Bytes, (long)sizes.Local);
    }

    private string NameOf(ReadOnlySpan<byte> bytes)
    {
        string name;
        try
        {
            name = bytes.Length is > 0 and <= LongestName ? StrictUtf8.GetString(bytes) : "";
        }
        catch (DecoderFallbackException)
        {
            name = "";
        }
        bool safe = name.Length > 0 && name[0] != '/' && name.IndexOfAny(['\\', ':', '\0']) < 0 && !Array.Exists(name.Split('/'), part => part is "." or "..");
        return safe ? name : throw new ModelFileException("PT004", _path,
            $"the zip archive has an entry with the unsafe name '{Echo.Name(name.Length > 0 ? name : Encoding.Latin1.GetString(bytes))}'; no checkpoint has such names, so it is refused");
    }

    private Dictionary<string, ZipEntry> Locate(List<Listed> listed)
    {
        Dictionary<string, ZipEntry> entries = new(listed.Count);
        listed.Sort((a, b) => a.Local.CompareTo(b.Local));
        byte[] header = new byte[LocalBytes + LongestName];
        byte[] name = new byte[LongestName];
        long free = 0;
        string before = "";
        foreach (Listed entry in listed)
        {
            if (entry.Local < free)
                throw new ModelFileException("PT005", _path, $"zip entries '{Echo.Name(before)}' and '{Echo.Name(entry.Name)}' overlap; no honest archive does this, so it is refused");
            ReadOnlySpan<byte> central = name.AsSpan(0, StrictUtf8.GetBytes(entry.Name, name));
            if (entry.Local > _directoryStart - LocalBytes - central.Length)
                throw Mismatch(entry.Name, $"its local header at byte {entry.Local} reaches past the directory at byte {_directoryStart}");
            Span<byte> local = header.AsSpan(0, LocalBytes + central.Length);
            InputFile.ReadExactly(_file.Handle, _path, entry.Local, local);
            long start = entry.Local + LocalBytes + CheckLocal(entry, local, central);
            if (start > _directoryStart || entry.Stored > _directoryStart - start)
                throw Mismatch(entry.Name, $"its {entry.Stored} bytes at byte {start} reach past the directory at byte {_directoryStart}");
            free = start + entry.Stored;
            before = entry.Name;
            entries.Add(entry.Name, new ZipEntry(entry.Name, RangeOf(entry, start), entry.Crc));
        }
        return entries;
    }

    /// <summary>Compares the local header with the directory; gives the length of its name and extra field.</summary>
    private int CheckLocal(in Listed entry, ReadOnlySpan<byte> local, ReadOnlySpan<byte> name)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(local) != LocalSignature)
            throw Mismatch(entry.Name, $"there is no local header at byte {entry.Local}");
        if (BinaryPrimitives.ReadUInt16LittleEndian(local[26..]) != name.Length || !local[LocalBytes..].SequenceEqual(name))
            throw Mismatch(entry.Name, $"its local header at byte {entry.Local} has another name");
        if (BinaryPrimitives.ReadUInt16LittleEndian(local[8..]) != entry.Method)
            throw Mismatch(entry.Name, $"its local header at byte {entry.Local} has another compression method");
        bool sizesFollow = (BinaryPrimitives.ReadUInt16LittleEndian(local[6..]) & SizesFollow) != 0;
        if (!sizesFollow && (!Agrees(BinaryPrimitives.ReadUInt32LittleEndian(local[18..]), uint.MaxValue, (ulong)entry.Stored)
            || !Agrees(BinaryPrimitives.ReadUInt32LittleEndian(local[22..]), uint.MaxValue, (ulong)entry.Bytes)))
            throw Mismatch(entry.Name, $"its local header at byte {entry.Local} has other sizes");
        return name.Length + BinaryPrimitives.ReadUInt16LittleEndian(local[28..]);
    }

    private DataRange RangeOf(in Listed entry, long start)
    {
        const int Copied = 0, Deflated = 8;
        if (entry.Method is not (Copied or Deflated))
            throw new ModelFileException("PT006", _path, $"zip entry '{Echo.Name(entry.Name)}' is compressed by method {entry.Method}; save it anew with torch.save, which does not compress");
        if (entry.Method == Copied && entry.Stored != entry.Bytes)
            throw Mismatch(entry.Name, $"it is not compressed, yet states {entry.Stored} stored and {entry.Bytes} real bytes");
        if (entry.Method == Deflated && entry.Bytes > TorchObjects.LargestTensor(_file.Length))
            throw new ModelFileException("PT006", _path,
                $"zip entry '{Echo.Name(entry.Name)}' would inflate from {entry.Stored} to {entry.Bytes} bytes; at most {TorchObjects.LargestTensor(_file.Length)} are allowed in a file of {_file.Length}");
        return new DataRange(entry.Name, start, entry.Stored, entry.Bytes, entry.Method == Deflated);
    }

    private ModelFileException Broken(string message) => new("PT002", _path, message);

    private ModelFileException Mismatch(string name, string message) =>
        new("PT008", _path, $"zip entry '{Echo.Name(name)}': {message}; the file is damaged, fetch it again");

    private ModelFileException Wrong64(string message) => new("PT008", _path, $"the ZIP64 end record: {message}; the file is damaged, fetch it again");
}
