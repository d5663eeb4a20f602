namespace Marrow.Formats.Safetensors;

/// <summary>
/// The weights of a Hugging Face folder: `model.safetensors` where there is one, else the shards of `model.safetensors.index.json`
/// (spec/formats.md §1.4).
/// </summary>
public sealed class SafetensorsFolder : ITensorSource
{
    /// <summary>The file that holds all weights of a small model.</summary>
    public const string SingleFile = "model.safetensors";

    /// <summary>The file that says which shard holds which tensor.</summary>
    public const string IndexFile = "model.safetensors.index.json";

    private readonly List<SafetensorsFile> _files;
    private readonly Dictionary<string, SafetensorsFile> _owners;

    private SafetensorsFolder(string path, List<SafetensorsFile> files, Dictionary<string, SafetensorsFile> owners, IEnumerable<string> warnings)
    {
        Path = path;
        _files = files;
        _owners = owners;
        Tensors = owners.ToDictionary(o => o.Key, o => o.Value.Tensors[o.Key]);
        Dictionary<string, string> metadata = [];
        foreach (var (key, value) in files.SelectMany(f => f.Metadata))
            metadata.TryAdd(key, value);
        Metadata = metadata;
        Warnings = [.. warnings, .. files.SelectMany(f => f.Warnings)];
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The notes of all shards; where two shards differ the first one's word counts.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>What was odd but allowed (tensors that the index leaves out, a wrong total size), one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>The weight files, sorted by name.</summary>
    public IReadOnlyList<string> Files => [.. _files.Select(f => f.Path)];

    /// <summary>Whether the folder holds weights that <see cref="Open"/> can read.</summary>
    public static bool IsPresent(string folder) =>
        File.Exists(System.IO.Path.Combine(folder, SingleFile)) || File.Exists(System.IO.Path.Combine(folder, IndexFile));

    /// <summary>Opens the weights of a folder; every shard's header is checked.</summary>
    /// <exception cref="ModelFileException">
    /// IX001 unsafe shard name; IX002 shard missing; IX003 tensor not in its shard; IX004 tensor in two shards; IX005 not an index;
    /// ST001 … ST019 and IO001 … IO006 of each file.
    /// </exception>
    public static SafetensorsFolder Open(string folder)
    {
        string single = System.IO.Path.Combine(folder, SingleFile);
        if (File.Exists(single))
        {
            SafetensorsFile file = SafetensorsFile.Open(single);
            return new SafetensorsFolder(folder, [file], file.Tensors.Keys.ToDictionary(k => k, _ => file), []);
        }
        SafetensorsIndex index = SafetensorsIndex.Read(System.IO.Path.Combine(folder, IndexFile));
        Dictionary<string, SafetensorsFile> shards = [];
        try
        {
            foreach (string shard in index.WeightMap.Values.Distinct().Order(StringComparer.Ordinal))
            {
                string path = System.IO.Path.Combine(folder, shard);
                if (!File.Exists(path))
                    throw new ModelFileException("IX002", index.Path, $"shard '{Echo.Name(shard)}' is missing in the folder; fetch it from where the model came from");
                shards.Add(shard, SafetensorsFile.Open(path));
            }
            List<string> warnings = [.. index.Warnings];
            Dictionary<string, SafetensorsFile> owners = FindOwners(index, shards, warnings);
            return new SafetensorsFolder(folder, [.. shards.Values], owners, warnings);
        }
        catch
        {
            foreach (SafetensorsFile file in shards.Values)
                file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        if (!_owners.TryGetValue(name, out SafetensorsFile? owner))
            this.Require(name);
        owner!.Read(name, byteOffset, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _files.ForEach(f => f.Dispose());

    private static Dictionary<string, SafetensorsFile> FindOwners(
        SafetensorsIndex index, Dictionary<string, SafetensorsFile> shards, List<string> warnings)
    {
        Dictionary<string, string> present = [];
        List<string> unmapped = [];
        foreach (var (shard, file) in shards)
            foreach (string name in file.Tensors.Keys)
            {
                if (!present.TryAdd(name, shard))
                    throw new ModelFileException("IX004", index.Path,
                        $"tensor '{Echo.Name(name)}' is in two shards, '{Echo.Name(present[name])}' and '{Echo.Name(shard)}'");
                if (!index.WeightMap.ContainsKey(name))
                    unmapped.Add(name);
            }
        if (unmapped.Count > 0)
            warnings.Add($"{index.Path}: {unmapped.Count} tensors are in the shards but not in weight_map and are ignored, '{Echo.Name(unmapped[0])}' first");

        Dictionary<string, SafetensorsFile> owners = new(index.WeightMap.Count);
        long total = 0;
        foreach (var (name, shard) in index.WeightMap)
        {
            if (!shards[shard].Tensors.TryGetValue(name, out TensorInfo? info))
                throw new ModelFileException("IX003", index.Path,
                    $"tensor '{Echo.Name(name)}' is not in its shard '{Echo.Name(shard)}'{(present.TryGetValue(name, out string? other) ? $" but in '{Echo.Name(other)}'" : "")}");
            owners.Add(name, shards[shard]);
            total += info.ByteLength;
        }
        if (index.TotalSize is { } stated && stated != total)
            warnings.Add($"{index.Path}: total_size says {stated} bytes, the tensors have {total}");
        return owners;
    }
}
