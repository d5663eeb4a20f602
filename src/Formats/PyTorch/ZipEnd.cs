using System.Buffers.Binary;

namespace Marrow.Formats.PyTorch;

/// <summary>The end records of a ZIP archive, ZIP64 included: they say where its directory lies. Checked against the file's length and each other.</summary>
internal sealed class ZipEnd
{
    internal const uint ShortSignature = 0x06054B50, LongSignature = 0x06064B50, LocatorSignature = 0x07064B50;

    internal const int ShortBytes = 22, LongBytes = 56, LocatorBytes = 20;

    private const int MostEntries = 100_000;
    private const int LongestDirectory = 16 << 20;

    private readonly DataSource _file;
    private readonly string _path;

    private ZipEnd(DataSource file) => (_file, _path) = (file, file.Path);

    /// <summary>Where the directory begins.</summary>
    public long Start { get; private set; }

    /// <summary>The directory's length.</summary>
    public long Bytes { get; private set; }

    /// <summary>The number of its entries.</summary>
    public long Count { get; private set; }

    /// <exception cref="ModelFileException">PT002, PT008.</exception>
    public static ZipEnd Find(DataSource file)
    {
        ZipEnd end = new(file);
        end.Find();
        return end;
    }

    /// <summary>Whether a number is as elsewhere, or stands elsewhere only.</summary>
    public static bool Agrees(long stated, long elsewhere, ulong value) => stated == elsewhere || (ulong)stated == value;

    private void Find()
    {
        byte[] tail = new byte[(int)Math.Min(_file.Length, ShortBytes + ushort.MaxValue)];
        long tailStart = _file.Length - tail.Length;
        InputFile.ReadExactly(_file.Handle, _path, tailStart, tail);
        // The record's own numbers may look like its signature, so the search ends where the last record can begin.
        int at = tail.AsSpan(0, Math.Max(0, tail.Length - ShortBytes + sizeof(uint))).LastIndexOf("PK\u0005\u0006"u8);
        if (at < 0)
            throw Broken("there is no end record of a zip archive; the file was cut short, fetch it again");
        ReadOnlySpan<byte> end = tail.AsSpan(at);
        int comment = BinaryPrimitives.ReadUInt16LittleEndian(end[20..]);
        if (comment != end.Length - ShortBytes)
            throw Broken($"the zip archive's end record at byte {tailStart + at} is followed by {end.Length - ShortBytes} bytes, but states {comment}; the file is damaged, fetch it again");
        if (end[4..8].ContainsAnyExcept((byte)0))
            throw Broken("the zip archive is spread over several disks; only single files are read");
        ushort here = BinaryPrimitives.ReadUInt16LittleEndian(end[8..]), all = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(end[12..]), start = BinaryPrimitives.ReadUInt32LittleEndian(end[16..]);
        if (here != all)
            throw Broken($"the zip archive's end record states {here} and {all} entries; the file is damaged, fetch it again");
        (Count, Bytes, Start) = (all, size, start);
        long limit = tailStart + at;
        if (FindEnd64(limit) is long end64)
            limit = end64;
        else if (all == ushort.MaxValue || size == uint.MaxValue || start == uint.MaxValue)
            throw Broken("the zip archive's end record refers to a ZIP64 record that is not there; the file is damaged, fetch it again");
        if (Start > limit || Bytes > limit - Start)
            throw Broken($"the zip directory of {Bytes} bytes at byte {Start} reaches past byte {limit}, where it must end; the file is damaged, fetch it again");
        if (Count > Bytes / ZipDirectory.CentralBytes)
            throw Broken($"the zip archive states {Count} entries, but its directory of {Bytes} bytes cannot hold them; the file is damaged, fetch it again");
        if (Count > MostEntries || Bytes > LongestDirectory)
            throw Broken($"the zip archive has {Count} entries in a directory of {Bytes} bytes; at most {MostEntries} in {LongestDirectory} bytes are read");
    }

    /// <summary>Takes the ZIP64 end record's numbers where there is one; its place, or null without one.</summary>
    private long? FindEnd64(long end)
    {
        Span<byte> record = stackalloc byte[LongBytes];
        Span<byte> locator = record[..LocatorBytes];
        if (end < LocatorBytes + LongBytes)
            return null;
        InputFile.ReadExactly(_file.Handle, _path, end - LocatorBytes, locator);
        if (BinaryPrimitives.ReadUInt32LittleEndian(locator) != LocatorSignature)
            return null;
        ulong at = BinaryPrimitives.ReadUInt64LittleEndian(locator[8..]);
        if (at > (ulong)(end - LocatorBytes - LongBytes))
            throw Wrong64($"its locator points to byte {at}");
        InputFile.ReadExactly(_file.Handle, _path, (long)at, record);
        if (BinaryPrimitives.ReadUInt32LittleEndian(record) != LongSignature)
            throw Wrong64($"there is none at byte {at}");
        if (record[16..24].ContainsAnyExcept((byte)0))
            throw Broken("the zip archive is spread over several disks; only single files are read");
        ulong count = BinaryPrimitives.ReadUInt64LittleEndian(record[32..]), bytes = BinaryPrimitives.ReadUInt64LittleEndian(record[40..]),
            start = BinaryPrimitives.ReadUInt64LittleEndian(record[48..]);
        if (count > long.MaxValue || bytes > long.MaxValue || start > long.MaxValue || count != BinaryPrimitives.ReadUInt64LittleEndian(record[24..])
            || !Agrees(Count, ushort.MaxValue, count) || !Agrees(Bytes, uint.MaxValue, bytes) || !Agrees(Start, uint.MaxValue, start))
            throw Wrong64($"it states {count} entries in {bytes} bytes at byte {start}, the short end record another thing");
        (Count, Bytes, Start) = ((long)count, (long)bytes, (long)start);
        return (long)at;
    }

    private ModelFileException Broken(string message) => new("PT002", _path, message);

    private ModelFileException Wrong64(string message) => new("PT008", _path, $"the ZIP64 end record: {message}; the file is damaged, fetch it again");
}
