using System.Numerics;

namespace Marrow.Formats.PyTorch;

/// <summary>
/// Reads the form that torch wrote before 1.6: five pickles (a magic number, a version, facts on the machine, the value, the storages'
/// keys), then each storage's count and bytes in the keys' order (spec/formats.md §4.5).
/// </summary>
internal static class LegacyCheckpoint
{
    private const long Protocol = 1001;

    /// <summary>The first bytes of every such file: a pickle of the magic number.</summary>
    public static ReadOnlySpan<byte> Start => [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.'];

    private static BigInteger Magic => new(Start.Slice(4, 10));

    /// <exception cref="ModelFileException">PT010 … PT028 and PT033.</exception>
    public static Checkpoint Read(DataSource file)
    {
        using Stream stream = file.Open(new DataRange("the file", 0, file.Length, file.Length, false));
        ByteReader input = new(stream, file.Length, file.Path, "PT012", "the pickles");
        TorchObjects objects = new(file.Length);
        List<string> warnings = [];
        Unpickler pickles = new(input, file.Path, objects, warnings);
        if (pickles.Read() is not BigInteger magic || magic != Magic)
            throw new ModelFileException("PT025", file.Path, "this is a pickle, but no torch checkpoint: it does not begin with torch's magic number; save the tensors with torch.save");
        if (pickles.Read() is not Protocol)
            throw new ModelFileException("PT025", file.Path, $"its format version is not {Protocol}; save it anew with a current torch");
        CheckMachine(file.Path, pickles.Read());
        object value = pickles.Read();
        if (pickles.Read() is not PickleList keys)
            throw new ModelFileException("PT026", file.Path, "the list of storages behind the pickled value is missing; the file is damaged, fetch it again");
        Dictionary<string, DataRange> storages = Locate(file, input.Position, keys, objects.Storages, warnings);
        return new Checkpoint(value, storages, warnings);
    }

    private static void CheckMachine(string path, object facts)
    {
        if (facts is not PickleDict dict || !Has("protocol_version", Protocol))
            throw new ModelFileException("PT025", path, $"its third pickle does not state protocol_version {Protocol}; the file is damaged, fetch it again");
        if (!Has("little_endian", true))
            throw new ModelFileException("PT023", path, "it was written on a big-endian machine; only little-endian checkpoints are read, so save it anew on a little-endian machine");

        bool Has(string key, object value) => dict.Pairs.Exists(p => p.Key is string k && k == key && value.Equals(p.Value));
    }

    private static Dictionary<string, DataRange> Locate(DataSource file, long at, PickleList keys, IReadOnlyDictionary<string, StorageRef> known, List<string> warnings)
    {
        Dictionary<string, DataRange> storages = new(known.Count);
        Span<byte> count = stackalloc byte[sizeof(long)];
        foreach (object item in keys.Items)
        {
            if (item is not string key || key.Length > TorchObjects.LongestKey || !known.TryGetValue(key, out StorageRef? storage))
                throw Unfit($"names storage '{Echo.Name(item as string ?? "?")}', which no tensor uses");
            if (count.Length > file.Length - at)
                throw Cut(key, count.Length, at);
            InputFile.ReadExactly(file.Handle, file.Path, at, count);
            at += count.Length;
            long stated = System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(count);
            if (stated != storage.Count)
                throw new ModelFileException("PT027", file.Path, $"storage {Echo.Quote(key)} has {stated} elements at byte {at}, but the pickle states {storage.Count}; the file is damaged, fetch it again");
            if (storage.Bytes > file.Length - at)
                throw Cut(key, storage.Bytes, at);
            if (!storages.TryAdd(key, new DataRange(key, at, storage.Bytes, storage.Bytes, false)))
                throw Unfit($"names storage {Echo.Quote(key)} twice");
            at += storage.Bytes;
        }
        if (storages.Count < known.Count)
            throw Unfit($"lacks storage '{Echo.Name(known.Keys.First(key => !storages.ContainsKey(key)))}'");
        if (at < file.Length)
            warnings.Add($"the file has {file.Length - at} bytes behind its last storage, which are not read");
        return storages;

        ModelFileException Unfit(string message) => new("PT026", file.Path, $"the list of storages {message}; the file is damaged, fetch it again");

        ModelFileException Cut(string key, long needed, long from) => new("PT028", file.Path,
            $"storage {Echo.Quote(key)} needs {needed} bytes at byte {from}, but the file ends at {file.Length}; it was cut short, fetch it again");
    }
}
