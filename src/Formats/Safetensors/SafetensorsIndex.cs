using System.Text.Json;

namespace Marrow.Formats.Safetensors;

/// <summary>`model.safetensors.index.json`: which shard holds which tensor (spec/formats.md §1.4).</summary>
internal sealed class SafetensorsIndex
{
    private const int LongestFileName = 255;

    private SafetensorsIndex(string path) => Path = path;

    public string Path { get; }

    /// <summary>Tensor name to shard file name, each a plain file name.</summary>
    public Dictionary<string, string> WeightMap { get; } = [];

    /// <summary>The stated byte sum, a hint only; null where it is absent or unreadable.</summary>
    public long? TotalSize { get; private set; }

    public List<string> Warnings { get; } = [];

    public static SafetensorsIndex Read(string path)
    {
        SafetensorsIndex index = new(path);
        Utf8JsonReader reader = new(InputFile.ReadAll(path));
        try
        {
            index.ReadRoot(ref reader);
        }
        // The reader's own complaint about a lone surrogate escape is an InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw index.Malformed($"the JSON is wrong at byte {reader.BytesConsumed}: {Echo.Reason(e)}", e);
        }
        return index;
    }

    private void ReadRoot(ref Utf8JsonReader reader)
    {
        bool found = false;
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Malformed("the index must be a JSON object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool map = reader.ValueTextEquals("weight_map"u8), metadata = reader.ValueTextEquals("metadata"u8);
            reader.Read();
            if (map)
            {
                if (found)
                    throw Malformed("'weight_map' is given twice");
                found = true;
                ReadWeightMap(ref reader);
            }
            else if (metadata && reader.TokenType == JsonTokenType.StartObject)
            {
                ReadMetadata(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }
        reader.Read();
        if (WeightMap.Count == 0)
            throw Malformed("'weight_map' is missing or empty");
    }

    private void ReadWeightMap(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Malformed("'weight_map' must be an object of strings");
        Dictionary<string, string> shards = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw Malformed($"'weight_map' entry '{Echo.Name(name)}' must be a string");
            string shard = reader.GetString()!;
            // One string per shard, not one per tensor.
            if (!shards.TryGetValue(shard, out string? known))
            {
                if (!IsPlainFileName(shard))
                    throw new ModelFileException("IX001", Path,
                        $"unsafe file name '{Echo.Name(shard)}' in weight_map for tensor '{Echo.Name(name)}'; only plain names of files in the same folder are read");
                shards.Add(shard, known = shard);
            }
            if (!WeightMap.TryAdd(name, known))
                throw new ModelFileException("IX004", Path, $"tensor '{Echo.Name(name)}' stands twice in weight_map");
        }
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool total = reader.ValueTextEquals("total_size"u8);
            reader.Read();
            if (!total)
                reader.Skip();
            else if (reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long bytes))
                TotalSize = bytes;
            else if (reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out double real) && double.IsInteger(real) && Math.Abs(real) < 1L << 53)
                TotalSize = (long)real;
            else
            {
                Warnings.Add($"{Path}: metadata.total_size is not an integer and is ignored");
                reader.Skip();
            }
        }
    }

    private static bool IsPlainFileName(string name) =>
        name.Length is > 0 and <= LongestFileName && name is not ("." or "..") && name.AsSpan().IndexOfAny("/\\:\0") < 0
        && System.Text.Encoding.UTF8.GetByteCount(name) <= LongestFileName;

    private ModelFileException Malformed(string message, Exception? inner = null) => new("IX005", Path, message, inner);
}
