using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Safetensors;

/// <summary>Parses a safetensors header token by token, never as a tree (spec/formats.md §1.3, checks 4 to 8).</summary>
internal sealed class SafetensorsHeader(string path)
{
    public const int LengthBytes = 8;
    public const long LongestHeader = 100_000_000;
    public const string MetadataKey = "__metadata__";
    private const int MostTensors = 1_000_000;
    private const int LongestName = 65_535;
    private const int MostDimensions = 32;
    private const int DeepestJson = 8;

    private readonly List<long> _dimensions = [];

    /// <summary>One tensor as the header tells it, its layout not yet checked.</summary>
    public readonly record struct Entry(string Name, DType Type, long[] Shape, ulong Begin, ulong End);

    public List<Entry> Entries { get; } = [];

    public Dictionary<string, string> Metadata { get; } = [];

    public List<string> Warnings { get; } = [];

    public void Parse(ReadOnlySpan<byte> header)
    {
        if (!Utf8.IsValid(header))
            throw Error("ST004", $"the header is not UTF-8 at byte {LengthBytes + FirstInvalid(header)}");
        if (header.IsEmpty || header[0] != (byte)'{')
            throw Error("ST005", "the header must start with '{' at byte 8; this is not a safetensors file, or it is damaged");
        Utf8JsonReader reader = new(header, new JsonReaderOptions { MaxDepth = DeepestJson });
        try
        {
            ReadHeader(ref reader);
        }
        // A lone surrogate escape is reported as a wrong use of the reader.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Error("ST006", $"the header's JSON is wrong at byte {LengthBytes + reader.BytesConsumed}: {Echo.Reason(e)}", e);
        }
    }

    private void ReadHeader(ref Utf8JsonReader reader)
    {
        HashSet<string> names = [];
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = Text(ref reader);
            if (!names.Add(name))
                throw Error("ST007", $"duplicate tensor name '{Echo.Name(name)}'");
            if (name.Length > LongestName)
                throw Error("ST019", $"tensor name '{Echo.Name(name)}' is longer than {LongestName} characters");
            if (Entries.Count == MostTensors)
                throw Error("ST019", $"the header lists more than {MostTensors} tensors");
            reader.Read();
            if (name == MetadataKey)
                ReadMetadata(ref reader);
            else
                Entries.Add(ReadTensor(ref reader, name));
        }
        reader.Read(); // Anything but white space behind the closing brace is a JsonException here.
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Error("ST008", $"'{MetadataKey}' must be an object of strings");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = Text(ref reader);
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw Error("ST008", $"metadata '{Echo.Name(key)}' must be a string");
            if (!Metadata.TryAdd(key, Text(ref reader)))
                throw Error("ST007", $"duplicate metadata key '{Echo.Name(key)}'");
        }
    }

    private Entry ReadTensor(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Error("ST009", $"tensor '{Echo.Name(name)}' must be an object with 'dtype', 'shape' and 'data_offsets'");
        DType? type = null;
        long[]? shape = null;
        (ulong Begin, ulong End)? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("dtype"u8))
                type = type is null ? ReadType(ref reader, name) : throw Twice(name, "dtype");
            else if (reader.ValueTextEquals("shape"u8))
                shape = shape is null ? ReadShape(ref reader, name) : throw Twice(name, "shape");
            else if (reader.ValueTextEquals("data_offsets"u8))
                offsets = offsets is null ? ReadOffsets(ref reader, name) : throw Twice(name, "data_offsets");
            else
                SkipUnknown(ref reader, name);
        }
        return new Entry(name, type ?? throw Missing(name, "dtype"), shape ?? throw Missing(name, "shape"),
            (offsets ?? throw Missing(name, "data_offsets")).Begin, offsets.Value.End);
    }

    private DType ReadType(ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.String)
            throw Error("ST009", $"tensor '{Echo.Name(name)}': 'dtype' must be a string");
        string text = Text(ref reader);
        return SafetensorsDType.TryParse(text, out DType type) ? type : throw Error("ST010",
            $"tensor '{Echo.Name(name)}': unknown dtype '{Echo.Name(text)}'; known are {SafetensorsDType.AllNames}");
    }

    private long[] ReadShape(ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        _dimensions.Clear();
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Error("ST011", $"tensor '{Echo.Name(name)}': shape must be a list of non-negative integers");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (!Unsigned(ref reader, out ulong size))
                throw Error("ST011", $"tensor '{Echo.Name(name)}': shape must be non-negative integers below 2^64");
            if (size > long.MaxValue)
                throw Error("ST012", $"tensor '{Echo.Name(name)}': element count overflows with dimension {size}");
            if (_dimensions.Count == MostDimensions)
                throw Error("ST011", $"tensor '{Echo.Name(name)}': shape has more than {MostDimensions} dimensions");
            _dimensions.Add((long)size);
        }
        return [.. _dimensions];
    }

    private (ulong Begin, ulong End) ReadOffsets(ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.StartArray
            && reader.Read() && Unsigned(ref reader, out ulong begin)
            && reader.Read() && Unsigned(ref reader, out ulong end)
            && reader.Read() && reader.TokenType == JsonTokenType.EndArray)
            return (begin, end);
        throw Error("ST009", $"tensor '{Echo.Name(name)}': 'data_offsets' must be two non-negative integers");
    }

    private void SkipUnknown(ref Utf8JsonReader reader, string name)
    {
        if (Warnings.Count == 0)
            Warnings.Add($"{path}: tensor '{Echo.Name(name)}' has a member '{Echo.Name(Text(ref reader))}' that is not part of the format; such members are ignored");
        reader.Skip();
    }

    private static bool Unsigned(ref Utf8JsonReader reader, out ulong value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetUInt64(out value);
    }

    // A lone surrogate escape is a defect of the JSON, which the reader reports as a wrong use of itself.
    private static string Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("invalid string escape", e);
        }
    }

    private static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        int at = 0;
        while (Rune.DecodeFromUtf8(bytes[at..], out _, out int used) == System.Buffers.OperationStatus.Done)
            at += used;
        return at;
    }

    private ModelFileException Twice(string name, string member) =>
        Error("ST007", $"tensor '{Echo.Name(name)}': '{member}' is given twice");

    private ModelFileException Missing(string name, string member) =>
        Error("ST009", $"tensor '{Echo.Name(name)}': '{member}' is missing");

    private ModelFileException Error(string code, string message, Exception? inner = null) => new(code, path, message, inner);
}
