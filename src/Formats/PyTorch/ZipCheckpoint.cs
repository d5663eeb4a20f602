using System.Text;

namespace Marrow.Formats.PyTorch;

/// <summary>Reads the zip form of checkpoints, which torch writes since 1.6 (spec/formats.md §4.1).</summary>
internal static class ZipCheckpoint
{
    private const long LargestPickle = 64 << 20;
    private const string PickleName = "/data.pkl";

    /// <exception cref="ModelFileException">PT002 … PT024, PT029, PT032, PT033.</exception>
    public static Checkpoint Read(DataSource file)
    {
        Dictionary<string, ZipEntry> entries = ZipDirectory.Read(file);
        ZipEntry pickle = FindPickle(file.Path, entries);
        string root = pickle.Name[..^PickleName.Length];
        RefuseScript(file.Path, entries, root);
        CheckByteOrder(file, entries.GetValueOrDefault($"{root}/byteorder"));
        List<string> warnings = [];
        Verify(file, pickle, warnings);

        TorchObjects objects = new(file.Length);
        using Stream stream = file.Open(pickle.Data);
        ByteReader input = new(stream, pickle.Data.Bytes, file.Path, "PT012", Echo.Name(pickle.Name));
        object value = new Unpickler(input, file.Path, objects, warnings).Read();
        if (input.Remaining > 0)
            warnings.Add($"{Echo.Name(pickle.Name)} has {input.Remaining} bytes behind its end, which are not read");
        Dictionary<string, DataRange> storages = new(objects.Storages.Count);
        foreach (StorageRef storage in objects.Storages.Values)
            storages.Add(storage.Key, Locate(file.Path, entries, root, storage));
        return new Checkpoint(value, storages, warnings);
    }

    private static ZipEntry FindPickle(string path, Dictionary<string, ZipEntry> entries)
    {
        List<ZipEntry> found = [.. entries.Values.Where(e => e.Name.EndsWith(PickleName, StringComparison.Ordinal) && e.Name.IndexOf('/', StringComparison.Ordinal) == e.Name.Length - PickleName.Length)];
        if (found.Count != 1)
            throw new ModelFileException("PT009", path, found.Count == 0
                ? "this zip archive has no entry NAME/data.pkl, so it is no torch checkpoint; give a file saved by torch.save"
                : $"this zip archive has {found.Count} entries NAME/data.pkl, where a torch checkpoint has one; save it anew with torch.save");
        return found[0].Data.Bytes <= LargestPickle ? found[0] : throw new ModelFileException("PT009", path,
            $"{Echo.Name(found[0].Name)} has {found[0].Data.Bytes} bytes; at most {LargestPickle} are read; save the state dict alone");
    }

    private static void RefuseScript(string path, Dictionary<string, ZipEntry> entries, string root)
    {
        string code = $"{root}/code/";
        if (entries.ContainsKey($"{root}/constants.pkl") || entries.Keys.Any(name => name.StartsWith(code, StringComparison.Ordinal)))
            throw new ModelFileException("PT032", path, "this is a TorchScript archive (a program with its weights), not a checkpoint; save the model's state_dict with torch.save");
    }

    private static void CheckByteOrder(DataSource file, ZipEntry? entry)
    {
        if (entry is null)
            return;
        Span<byte> text = stackalloc byte[(int)Math.Min(entry.Data.Bytes, 16)];
        file.Read(entry.Data, 0, text);
        if (!text.SequenceEqual("little"u8))
            throw new ModelFileException("PT023", file.Path,
                $"its byte order is '{Echo.Name(Encoding.Latin1.GetString(text))}'; only little-endian checkpoints are read, so save it anew on a little-endian machine");
    }

    private static void Verify(DataSource file, ZipEntry pickle, List<string> warnings)
    {
        uint crc = file.Checksum(pickle.Data);
        if (pickle.Crc == crc)
            return;
        // Some builds of torch left out checksums and wrote 0.
        if (pickle.Crc != 0)
            throw new ModelFileException("PT029", file.Path,
                $"the checksum of {Echo.Name(pickle.Name)} is {crc:X8}, but the archive states {pickle.Crc:X8}; the file is damaged, fetch it again");
        warnings.Add($"{Echo.Name(pickle.Name)} has no checksum, so damage to it cannot be seen");
    }

    private static DataRange Locate(string path, Dictionary<string, ZipEntry> entries, string root, StorageRef storage)
    {
        if (storage.Key is "" or "." or ".." || storage.Key.AsSpan().ContainsAny("/\\:\0"))
            throw new ModelFileException("PT016", path, $"storage key {Key()} is no plain name; no checkpoint has such keys, so it is refused");
        if (!entries.TryGetValue($"{root}/data/{storage.Key}", out ZipEntry? entry))
            throw new ModelFileException("PT017", path, $"the data of storage {Key()} are missing: there is no zip entry {Echo.Name(root)}/data/{Echo.Name(storage.Key)}; fetch the file again");
        return entry.Data.Bytes == storage.Bytes ? entry.Data : throw new ModelFileException("PT018", path,
            $"storage {Key()} has {entry.Data.Bytes} bytes, but {storage.Count} elements of {storage.Type} need {storage.Bytes}; the file is damaged, fetch it again");

        string Key() => Echo.Quote(storage.Key);
    }
}
