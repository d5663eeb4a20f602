using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Safetensors;

/// <summary>
/// Writes safetensors files, single or sharded: tensors by element size (large first) then name, the header padded to 8 bytes, so that
/// every tensor is aligned and the same input gives the same bytes (spec/formats.md §1.1, §1.3, §1.4). Every file appears whole or not at all.
/// </summary>
public static class SafetensorsWriter
{
    /// <summary>The largest shard that Hugging Face tools write: 5 GB.</summary>
    public const long UsualShardBytes = 5_000_000_000;

    private static readonly JsonWriterOptions Indented = new() { Indented = true };

    /// <summary>Writes one file. The metadata gets "format": "pt" (without which Hugging Face tools refuse the file) unless it states a format. <paramref name="check"/> is given the finished file under its temporary name, before it takes the place of another.</summary>
    /// <exception cref="MarrowException">ST007 a name comes twice; ST008, ST009, ST010, ST012, ST018, ST019 a name, type, shape or header cannot be stored; IO008 the disk failed.</exception>
    public static void Write(string path, IEnumerable<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null, Action<string>? check = null)
    {
        List<(TensorToWrite Tensor, long Bytes)> ordered = Measure(path, tensors);
        ordered.Sort((a, b) => a.Tensor.DType.Bits() != b.Tensor.DType.Bits()
            ? b.Tensor.DType.Bits().CompareTo(a.Tensor.DType.Bits()) : string.CompareOrdinal(a.Tensor.Name, b.Tensor.Name));
        byte[] header = Header(path, ordered, metadata);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (var (tensor, bytes) in ordered)
            {
                long start = stream.Position;
                tensor.Write(stream);
                if (stream.Position - start != bytes)
                    throw new InvalidOperationException($"tensor '{tensor.Name}' wrote {stream.Position - start} bytes, its shape needs {bytes}");
            }
        }, header.Length + ordered.Sum(t => t.Bytes), check);
    }

    /// <summary>
    /// Writes a model's weights into a folder without weights: `model.safetensors` where they fit into one shard, else
    /// `model-00001-of-000NN.safetensors` … filled in the given order, then their index.
    /// </summary>
    /// <exception cref="MarrowException">IO009 the folder holds weights already; otherwise as <see cref="Write"/>.</exception>
    public static void WriteModel(string folder, IEnumerable<TensorToWrite> tensors, long maxShardBytes = UsualShardBytes)
    {
        if (SafetensorsFolder.IsPresent(folder))
            throw new MarrowException("IO009", $"{folder}: holds weights already; write into a new folder [IO009]");
        List<List<(TensorToWrite Tensor, long Bytes)>> shards = [[]];
        long filled = 0, total = 0;
        foreach (var (tensor, bytes) in Measure(folder, tensors))
        {
            if (filled > 0 && bytes > maxShardBytes - filled)
            {
                shards.Add([]);
                filled = 0;
            }
            shards[^1].Add((tensor, bytes));
            filled = checked(filled + bytes);
            total = checked(total + bytes);
        }
        if (shards.Count == 1)
        {
            Write(Path.Combine(folder, SafetensorsFolder.SingleFile), shards[0].Select(t => t.Tensor));
            return;
        }
        SortedDictionary<string, string> weightMap = new(StringComparer.Ordinal);
        for (int i = 0; i < shards.Count; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors");
            Write(Path.Combine(folder, name), shards[i].Select(t => t.Tensor));
            foreach (var (tensor, _) in shards[i])
                weightMap.Add(tensor.Name, name);
        }
        // The index comes last: without it the shards are not taken for a model.
        AtomicFile.WriteBytes(Path.Combine(folder, SafetensorsFolder.IndexFile), Index(total, weightMap));
    }

    private static List<(TensorToWrite Tensor, long Bytes)> Measure(string path, IEnumerable<TensorToWrite> tensors)
    {
        List<(TensorToWrite, long)> measured = [];
        HashSet<string> names = [];
        foreach (TensorToWrite tensor in tensors)
        {
            string name = Echo.Name(tensor.Name);
            if (tensor.Name.Length == 0 || tensor.Name == SafetensorsHeader.MetadataKey || !IsWellFormed(tensor.Name))
                throw new ModelFileException("ST009", path, $"'{name}' cannot be a tensor's name");
            if (!names.Add(tensor.Name))
                throw new ModelFileException("ST007", path, $"duplicate tensor name '{name}'");
            if (tensor.DType.IsBlock())
                throw new ModelFileException("ST010", path, $"tensor '{name}': safetensors has no element type {tensor.DType}; store it as F16, BF16 or F32, or write GGUF");
            long[] shape = [.. tensor.Shape];
            if (Array.Exists(shape, size => size < 0) || SafetensorsLayout.Measure(tensor.DType, shape) is not var (bytes, whole))
                throw new ModelFileException("ST012", path, $"tensor '{name}': shape [{string.Join(',', shape)}] is negative or overflows");
            if (!whole)
                throw new ModelFileException("ST018", path, $"tensor '{name}': the size of {tensor.DType} [{string.Join(',', shape)}] is not a whole number of bytes");
            measured.Add((tensor, bytes));
        }
        return measured;
    }

    private static byte[] Header(string path, List<(TensorToWrite Tensor, long Bytes)> ordered, IReadOnlyDictionary<string, string>? metadata)
    {
        ArrayBufferWriter<byte> buffer = new();
        buffer.Write(stackalloc byte[SafetensorsHeader.LengthBytes]);
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            WriteMetadata(path, json, metadata);
            long at = 0;
            foreach (var (tensor, bytes) in ordered)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", SafetensorsDType.NameOf(tensor.DType));
                json.WriteStartArray("shape");
                foreach (long size in tensor.Shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(at);
                json.WriteNumberValue(at = checked(at + bytes));
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.WrittenCount % 8 != 0)
            buffer.Write(" "u8);
        byte[] header = buffer.WrittenSpan.ToArray();
        int length = header.Length - SafetensorsHeader.LengthBytes;
        if (length > SafetensorsHeader.LongestHeader)
            throw new ModelFileException("ST019", path, $"the header would have {length} bytes, above the limit of {SafetensorsHeader.LongestHeader}");
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        return header;
    }

    private static void WriteMetadata(string path, Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        SortedDictionary<string, string> sorted = new(StringComparer.Ordinal) { ["format"] = "pt" };
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>())
            sorted[key] = IsWellFormed(key) && IsWellFormed(value) ? value
                : throw new ModelFileException("ST008", path, $"metadata '{Echo.Name(key)}' is not valid Unicode");
        json.WriteStartObject(SafetensorsHeader.MetadataKey);
        foreach (var (key, value) in sorted)
            json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static byte[] Index(long total, SortedDictionary<string, string> weightMap)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Indented))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", total);
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            foreach (var (name, shard) in weightMap)
                json.WriteString(name, shard);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    // A lone surrogate would silently become U+FFFD in the file.
    private static bool IsWellFormed(string text)
    {
        for (int i = 0; i < text.Length;)
        {
            if (!Rune.TryGetRuneAt(text, i, out Rune rune))
                return false;
            i += rune.Utf16SequenceLength;
        }
        return true;
    }
}
