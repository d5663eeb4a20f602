using Marrow.Formats.Numerics;

namespace Marrow.Formats.Safetensors;

/// <summary>Where a tensor's bytes lie in its file.</summary>
internal readonly record struct StoredTensor(TensorInfo Info, long Offset);

/// <summary>Checks that the tensors of a header fill the file's data without hole, overlap or rest (spec/formats.md §1.3, checks 9 to 11).</summary>
internal static class SafetensorsLayout
{
    public static Dictionary<string, StoredTensor> Check(string path, List<SafetensorsHeader.Entry> entries, long dataStart, long fileLength)
    {
        foreach (SafetensorsHeader.Entry entry in entries)
            CheckSize(path, entry);
        entries.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin)
            : a.End != b.End ? a.End.CompareTo(b.End) : string.CompareOrdinal(a.Name, b.Name));

        ulong at = 0;
        string before = "";
        foreach (SafetensorsHeader.Entry entry in entries)
        {
            if (entry.Begin > at)
                throw new ModelFileException("ST015", path, $"there is a hole of {entry.Begin - at} bytes before tensor '{Echo.Name(entry.Name)}', which begins at {entry.Begin}");
            if (entry.Begin < at)
                throw new ModelFileException("ST016", path, $"tensor '{Echo.Name(entry.Name)}' at {entry.Begin} overlaps '{Echo.Name(before)}', which ends at {at}");
            at = entry.End;
            before = entry.Name;
        }
        ulong present = (ulong)(fileLength - dataStart);
        if (at != present)
            throw new ModelFileException("ST017", path,
                $"the file has {present} bytes of tensor data, its header describes {at}; it was {(at > present ? "cut short" : "added to")}, fetch it again");

        Dictionary<string, StoredTensor> tensors = new(entries.Count);
        foreach (SafetensorsHeader.Entry entry in entries)
            tensors.Add(entry.Name, new StoredTensor(
                new TensorInfo(entry.Name, entry.Type, entry.Shape, (long)(entry.End - entry.Begin)), dataStart + (long)entry.Begin));
        return tensors;
    }

    /// <summary>Bytes of a shape, or null where a product overflows 63 bits.</summary>
    public static (long Bytes, bool Whole)? Measure(DType type, ReadOnlySpan<long> shape)
    {
        UInt128 count = 1;
        foreach (long size in shape)
        {
            count *= (ulong)size;
            if (count > long.MaxValue)
                return null;
        }
        UInt128 bits = count * (uint)type.Bits();
        return bits / 8 > long.MaxValue ? null : ((long)(bits / 8), bits % 8 == 0);
    }

    private static void CheckSize(string path, in SafetensorsHeader.Entry entry)
    {
        string name = Echo.Name(entry.Name);
        if (Measure(entry.Type, entry.Shape) is not var (bytes, whole))
            throw new ModelFileException("ST012", path, $"tensor '{name}': the element count of shape [{string.Join(',', entry.Shape)}] overflows");
        if (!whole)
            throw new ModelFileException("ST018", path, $"tensor '{name}': the size of {SafetensorsDType.NameOf(entry.Type)} [{string.Join(',', entry.Shape)}] is not a whole number of bytes");
        if (entry.Begin > entry.End)
            throw new ModelFileException("ST013", path, $"tensor '{name}': data_offsets begin {entry.Begin} after their end {entry.End}");
        if (entry.End - entry.Begin != (ulong)bytes)
            throw new ModelFileException("ST014", path,
                $"tensor '{name}': data_offsets hold {entry.End - entry.Begin} bytes, {SafetensorsDType.NameOf(entry.Type)} [{string.Join(',', entry.Shape)}] needs {bytes}");
    }
}
