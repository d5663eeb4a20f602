using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Marrow.Formats.Numerics;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.Datasets.BinIdx;

/// <summary>
/// A binidx dataset (Megatron's indexed dataset as RWKV uses it, spec/formats.md §5.2): items of tokens in a .bin, their sizes in an .idx. Opening
/// checks the whole .idx against both files; items are read by position. Safe for concurrent reads.
/// </summary>
public sealed class BinIdxFile : IDisposable
{
    private const int PieceItems = 8192;

    private readonly SafeFileHandle _data;
    private readonly long[] _starts;

    private BinIdxFile(string index, string data, SafeFileHandle handle, DType type, long[] starts, List<string> warnings) =>
        (IndexPath, DataPath, _data, Type, _starts, Warnings) = (index, data, handle, type, starts, warnings);

    /// <summary>The .idx.</summary>
    public string IndexPath { get; }

    /// <summary>The .bin.</summary>
    public string DataPath { get; }

    /// <summary>The stored type of a token: U8, I8, I16, U16, I32 or I64.</summary>
    public DType Type { get; }

    /// <summary>The number of items.</summary>
    public int Count => _starts.Length - 1;

    /// <summary>The tokens of all items.</summary>
    public long Tokens => _starts[^1];

    /// <summary>What was odd but allowed, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Opens the dataset that a path means: the .idx, the .bin, or what both are called without these endings.</summary>
    /// <exception cref="ModelFileException">
    /// BI001 not an .idx; BI002 another version; BI003 a type that cannot be read; BI004 counts and file size disagree; BI005 a size or pointer is wrong; BI006 the
    /// .bin is too short; BI007 the document index is wrong; BI008 one of the two files is missing; IO001 … IO006.
    /// </exception>
    public static BinIdxFile Open(string path)
    {
        (string index, string data) = BinIdxLayout.PathsOf(path);
        foreach ((string wanted, string other) in new[] { (index, data), (data, index) })
            if (!File.Exists(wanted))
                throw new ModelFileException("BI008", wanted, $"there is no such file; a binidx dataset is two files, this one and {Echo.Name(Path.GetFileName(other))}");
        using SafeFileHandle handle = InputFile.Open(index, out long length);
        (DType type, int items, long documents) = ReadHeader(handle, index, length);
        int width = type.Bits() / 8;
        long[] starts = ReadItems(handle, index, items, width);
        var warnings = new List<string>();
        if (!ReadDocuments(handle, index, items, documents))
            warnings.Add("some documents are of several items or of none; each item is an example by itself");
        long needed = starts[^1] * width, there = InputFile.LengthOf(data);
        if (there < needed)
            throw new ModelFileException("BI006", data,
                $"has {there} bytes, but the items of {Echo.Name(Path.GetFileName(index))} take {needed}; it was cut short or belongs to another .idx, fetch both again");
        if (there > needed)
            warnings.Add($"{Echo.Name(Path.GetFileName(data))} has {there - needed} bytes behind its last item, which are not read");
        return new BinIdxFile(index, data, InputFile.Open(data, out _), type, starts, warnings);
    }

    /// <summary>The tokens of an item.</summary>
    public int SizeOf(int item) => (int)(_starts[item + 1] - _starts[item]);

    /// <summary>Reads the tokens of an item.</summary>
    /// <exception cref="ModelFileException">BI009 a token is beyond 32 bits; IO003, IO005 the file cannot be read.</exception>
    public int[] Read(int item)
    {
        int[] tokens = new int[SizeOf(item)];
        int width = Type.Bits() / 8;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            for (int at = 0; at < tokens.Length;)
            {
                int count = Math.Min(buffer.Length / width, tokens.Length - at);
                Span<byte> stored = buffer.AsSpan(0, count * width);
                InputFile.ReadExactly(_data, DataPath, (_starts[item] + at) * width, stored);
                Widen(stored, tokens.AsSpan(at, count), item, at);
                at += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return tokens;
    }

    /// <inheritdoc/>
    public void Dispose() => _data.Dispose();

    private static (DType Type, int Items, long Documents) ReadHeader(SafeFileHandle handle, string path, long length)
    {
        Span<byte> start = stackalloc byte[64];
        start = start[..(int)Math.Min(start.Length, length)];
        InputFile.ReadExactly(handle, path, 0, start);
        InputFile.RefuseStandIn(path, start);
        if (!start.StartsWith(BinIdxLayout.Magic))
            throw new ModelFileException("BI001", path, "does not begin as the .idx of a binidx dataset does (MMIDIDX); give the dataset's .idx, .bin or their common name");
        if (length < BinIdxLayout.HeaderBytes)
            throw new ModelFileException("BI004", path, $"has {length} bytes, its header needs {BinIdxLayout.HeaderBytes}; it was cut short, fetch it again");
        if (BinaryPrimitives.ReadUInt64LittleEndian(start[9..]) is var version && version != BinIdxLayout.Version)
            throw new ModelFileException("BI002", path, $"is of version {version}, and only version {BinIdxLayout.Version} is known");
        if (BinIdxLayout.TypeOf(start[17]) is not { } type)
            throw new ModelFileException("BI003", path, $"has tokens of type {start[17]}{(start[17] is 6 or 7 ? ", which are floats" : "")}; types 1 to 5 and 8 are integers and can be read");
        ulong items = BinaryPrimitives.ReadUInt64LittleEndian(start[18..]), documents = BinaryPrimitives.ReadUInt64LittleEndian(start[26..]);
        UInt128 described = BinIdxLayout.HeaderBytes + 12 * (UInt128)items + 8 * (UInt128)documents;
        if (described != (UInt128)length)
            throw new ModelFileException("BI004", path, string.Create(CultureInfo.InvariantCulture,
                $"has {length} bytes, but {items} items and {documents} document ends take {described}; it was cut short or is damaged, fetch it again"));
        return items < (ulong)Array.MaxLength ? (type, (int)items, (long)documents)
            : throw new ModelFileException("BI004", path, $"has {items} items, more than {Array.MaxLength - 1}; split the dataset");
    }

    /// <summary>Where each item begins, in tokens; every pointer must be where the items before it end.</summary>
    private static long[] ReadItems(SafeFileHandle handle, string path, int items, int width)
    {
        long[] starts = new long[items + 1];
        int[] sizes = new int[Math.Min(items, PieceItems)];
        long[] pointers = new long[sizes.Length];
        for (int at = 0; at < items; at += sizes.Length)
        {
            int count = Math.Min(sizes.Length, items - at);
            InputFile.ReadExactly(handle, path, BinIdxLayout.HeaderBytes + 4L * at, MemoryMarshal.AsBytes(sizes.AsSpan(0, count)));
            InputFile.ReadExactly(handle, path, BinIdxLayout.HeaderBytes + 4L * items + 8L * at, MemoryMarshal.AsBytes(pointers.AsSpan(0, count)));
            for (int i = 0; i < count; i++)
            {
                // Fewer than 2^31 items of fewer than 2^31 tokens: in tokens the sum cannot overflow, in bytes it is checked.
                long start = starts[at + i];
                if (sizes[i] < 0 || sizes[i] > Array.MaxLength || start > long.MaxValue / 8 - sizes[i])
                    throw new ModelFileException("BI005", path, $"item {at + i + 1}: the size {sizes[i]} is not a number of tokens that can be read; write the dataset again");
                if (pointers[i] != start * width)
                    throw new ModelFileException("BI005", path,
                        $"item {at + i + 1}: the pointer {pointers[i]} is not where the items before it end ({start * width}); write the dataset again with its items one behind the other");
                starts[at + i + 1] = start + sizes[i];
            }
        }
        return starts;
    }

    /// <summary>Checks the document index; true where every document is one item.</summary>
    private static bool ReadDocuments(SafeFileHandle handle, string path, int items, long documents)
    {
        long[] piece = new long[Math.Min(documents, PieceItems)];
        long last = 0;
        bool single = documents == items + 1L;
        for (long at = 0; at < documents; at += piece.Length)
        {
            int count = (int)Math.Min(piece.Length, documents - at);
            InputFile.ReadExactly(handle, path, BinIdxLayout.HeaderBytes + 12L * items + 8L * at, MemoryMarshal.AsBytes(piece.AsSpan(0, count)));
            for (int i = 0; i < count; i++)
            {
                if (at + i == 0 ? piece[i] != 0 : piece[i] < last)
                    throw Documents(path, $"entry {at + i + 1} is {piece[i]} after {last}");
                last = piece[i];
                single &= last == at + i;
            }
        }
        return documents > 0 && last == items ? single : throw Documents(path, documents == 0 ? "it is empty" : $"it ends at {last}, and there are {items} items");
    }

    private static ModelFileException Documents(string path, string what) =>
        new("BI007", path, $"the document index must begin with 0, never go down and end at the number of items, but {what}; write the dataset again");

    private void Widen(ReadOnlySpan<byte> stored, Span<int> tokens, int item, int first)
    {
        int width = Type.Bits() / 8;
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlySpan<byte> one = stored.Slice(i * width, width);
            tokens[i] = Type switch
            {
                DType.U8 => one[0],
                DType.I8 => (sbyte)one[0],
                DType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(one),
                DType.I16 => BinaryPrimitives.ReadInt16LittleEndian(one),
                DType.I32 => BinaryPrimitives.ReadInt32LittleEndian(one),
                _ => BinaryPrimitives.ReadInt64LittleEndian(one) is >= int.MinValue and <= int.MaxValue and var token ? (int)token : throw new ModelFileException("BI009", DataPath,
                    $"item {item + 1}: token {first + i} is {BinaryPrimitives.ReadInt64LittleEndian(one)}, beyond 32 bits; the file is damaged or not of tokens"),
            };
        }
    }
}
