using System.Buffers.Binary;
using System.Text;

namespace Marrow.Formats.PyTorch;

/// <summary>
/// Reads the directory at the end of a ZIP archive, ZIP64 included, and checks every entry against its local header and its neighbours:
/// afterwards each range is known to lie in the file and to overlap no other (spec/formats.md §4.1).
/// </summary>
internal sealed class ZipDirectory
{
    internal const uint LocalSignature = 0x04034B50, CentralSignature = 0x02014B50;

    internal const int LocalBytes = 30, CentralBytes = 46;

    internal const ushort Zip64Field = 1;

    private const int LongestName = 1024;
    private const int Encrypted = 0x1 | 0x40 | 0x2000, SizesFollow = 0x8;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly DataSource _file;
    private readonly string _path;
    private readonly ZipEnd _end;

    private ZipDirectory(DataSource file) => (_file, _path, _end) = (file, file.Path, ZipEnd.Find(file));

    /// <summary>What the directory says of one entry, before its local header is seen.</summary>
    private readonly record struct Listed(string Name, ushort Flags, ushort Method, uint Crc, long Stored, long Bytes, long Local);

    /// <summary>Every entry by name.</summary>
    /// <exception cref="ModelFileException">PT002 … PT008.</exception>
    public static Dictionary<string, ZipEntry> Read(DataSource file)
    {
        ZipDirectory directory = new(file);
        return directory.Locate(directory.List());
    }

    private List<Listed> List()
    {
        using FileRange range = new(_file.Handle, _path, _end.Start, _end.Bytes);
        ByteReader reader = new(range, _end.Bytes, _path, "PT002", "the zip directory");
        List<Listed> entries = [];
        HashSet<string> names = [];
        while (entries.Count < _end.Count)
        {
            Listed entry = Next(reader);
            if (!names.Add(entry.Name))
                throw new ModelFileException("PT003", _path, $"the zip archive has two entries '{Echo.Name(entry.Name)}'; readers may differ on which counts, so it is refused; save it anew");
            entries.Add(entry);
        }
        return reader.Remaining == 0 ? entries
            : throw Broken($"the zip directory has {reader.Remaining} bytes behind its {_end.Count} entries; the file is damaged, fetch it again");
    }

    private Listed Next(ByteReader reader)
    {
        ReadOnlySpan<byte> head = reader.Take(CentralBytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(head) != CentralSignature)
            throw Broken($"the zip directory has no entry at byte {_end.Start + reader.Position - CentralBytes}; the file is damaged, fetch it again");
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
        return IsSafe(name) ? name : throw new ModelFileException("PT004", _path,
            $"the zip archive has an entry with the unsafe name '{Echo.Name(name.Length > 0 ? name : Encoding.Latin1.GetString(bytes))}'; no checkpoint has such names, so it is refused");
    }

    private static bool IsSafe(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty || name[0] == '/' || name.ContainsAny("\\:\0"))
            return false;
        foreach (Range part in name.Split('/'))
            if (name[part] is "." or "..")
                return false;
        return true;
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
            if (entry.Local > _end.Start - LocalBytes - central.Length)
                throw Mismatch(entry.Name, $"its local header at byte {entry.Local} reaches past the directory at byte {_end.Start}");
            Span<byte> local = header.AsSpan(0, LocalBytes + central.Length);
            InputFile.ReadExactly(_file.Handle, _path, entry.Local, local);
            long start = entry.Local + LocalBytes + CheckLocal(entry, local, central);
            if (start > _end.Start || entry.Stored > _end.Start - start)
                throw Mismatch(entry.Name, $"its {entry.Stored} bytes at byte {start} reach past the directory at byte {_end.Start}");
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
        if (!sizesFollow && (!ZipEnd.Agrees(BinaryPrimitives.ReadUInt32LittleEndian(local[18..]), uint.MaxValue, (ulong)entry.Stored)
            || !ZipEnd.Agrees(BinaryPrimitives.ReadUInt32LittleEndian(local[22..]), uint.MaxValue, (ulong)entry.Bytes)))
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
}
