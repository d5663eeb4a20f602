using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Gguf;

/// <summary>Checks that tensors lie one behind the other, aligned and within the file, as ggml's reader demands (spec/formats.md §2.2, §2.3).</summary>
internal sealed class GgufLayout(string path, GgufHeader header, long fileLength, Action<ModelFileException> report)
{
    /// <summary>Where the tensors' data begin.</summary>
    private readonly long _dataStart = Pad(header.End, header.Alignment);

    public List<string> Warnings { get; } = [];

    /// <summary>The next multiple of the alignment, a power of two.</summary>
    public static long Pad(long at, long alignment) => checked(at + alignment - 1) & -alignment;

    /// <summary>The sound tensors and where they begin in the file. Sizes are checked for all of them before the file's length is: sums cannot wrap.</summary>
    /// <exception cref="ModelFileException">GG014 … GG023.</exception>
    public Dictionary<string, (TensorInfo Info, long Start)> Check()
    {
        Dictionary<string, (TensorInfo Info, long Start)> tensors = new(header.Tensors.Count);
        UInt128 expected = 0;
        string before = "";
        foreach (GgufEntry entry in header.Tensors)
        {
            if (Describe(entry) is not { } info || !CheckPlace(entry, info, expected, before))
            {
                // Without a size there is no telling where the next tensor has to be.
                expected = UInt128.MaxValue;
                continue;
            }
            expected = ((UInt128)entry.Offset + (ulong)info.ByteLength + (ulong)header.Alignment - 1) / (ulong)header.Alignment * (ulong)header.Alignment;
            before = entry.Name;
            if (!tensors.TryAdd(entry.Name, (info, _dataStart + (long)entry.Offset)))
                Fail("GG022", entry.Name, "is there twice; the file is damaged, or made by a faulty program");
        }
        CheckEnd(tensors);
        return tensors;
    }

    /// <summary>A tensor's description; null, reported, where its type or sizes are wrong.</summary>
    private TensorInfo? Describe(GgufEntry entry)
    {
        UInt128 count = 1;
        foreach (long size in entry.Sizes)
        {
            if (size <= 0)
                return Fail("GG014", entry.Name, $"has a dimension of size {size} in {SizesOf(entry)}; sizes are 1 or more, so the file is damaged");
            count *= (ulong)size;
            if (count > long.MaxValue)
                return Fail("GG015", entry.Name, $"has more elements than can be counted: {SizesOf(entry)}; the file is damaged");
        }
        if (!GgufTensorType.TryParse(entry.Type, out DType type))
            return Fail("GG016", entry.Name, $"has {GgufTensorType.WhyUnknown(entry.Type)}");
        int elements = 1, bytes = 0;
        if (type.IsBlock())
            (elements, bytes) = (BlockFormats.Of(type).Elements, BlockFormats.Of(type).Bytes);
        else
            bytes = type.Bits() / 8;
        long row = entry.Sizes.Length == 0 ? 1 : entry.Sizes[0];
        if (row % elements != 0)
            return Fail("GG017", entry.Name, $"has rows of {row} elements, which are not whole blocks of {elements} as {type} needs; the file is damaged");
        UInt128 total = count / (uint)elements * (uint)bytes;
        if (total > long.MaxValue)
            return Fail("GG015", entry.Name, $"needs more than 2^63 bytes: {type} {SizesOf(entry)}; the file is damaged");
        return new TensorInfo(entry.Name, type, [.. entry.Sizes.Reverse()], (long)total);
    }

    private bool CheckPlace(GgufEntry entry, TensorInfo info, UInt128 expected, string before)
    {
        if (entry.Offset % (ulong)header.Alignment != 0)
            Fail("GG018", entry.Name, $"begins at offset {entry.Offset}, which is no multiple of the alignment {header.Alignment}; the file is damaged");
        else if ((UInt128)entry.Offset + (ulong)info.ByteLength + (ulong)_dataStart + (ulong)header.Alignment > long.MaxValue)
            Fail("GG019", entry.Name, $"of {info.ByteLength} bytes at offset {entry.Offset} ends beyond what a file can hold; the file is damaged");
        else if (expected != UInt128.MaxValue && entry.Offset != expected)
            Fail("GG020", entry.Name, $"begins at offset {entry.Offset}, but should at {expected}, {(before.Length == 0 ? "where the data begin" : $"behind '{Echo.Name(before)}'")}: "
                + $"{(entry.Offset < expected ? "the two overlap or are out of order" : "there is a hole or the tensors are out of order")}; the file is damaged, or made by a faulty program");
        else
            return true;
        return false;
    }

    private void CheckEnd(Dictionary<string, (TensorInfo Info, long Start)> tensors)
    {
        long end = header.End;
        foreach (var (info, start) in tensors.Values)
        {
            long last = start + info.ByteLength;
            if (last > fileLength)
                Fail("GG021", info.Name, $"ends at byte {last}, but the file has {fileLength}; it was cut short, fetch it again");
            end = Math.Max(end, last);
        }
        // The padding behind the last tensor may be there or not.
        if (fileLength > Pad(end, header.Alignment))
            Warnings.Add($"{path}: {fileLength - end} bytes behind the last tensor belong to nothing");
    }

    private static string SizesOf(GgufEntry entry) => $"[{string.Join(',', entry.Sizes.Reverse())}]";

    private TensorInfo? Fail(string code, string name, string message)
    {
        report(new ModelFileException(code, path, $"tensor '{Echo.Name(name)}' {message}"));
        return null;
    }
}
