using System.Globalization;
using System.Text.Json;

namespace Marrow.Formats.Tokenizers;

/// <summary>A JSON value that knows its file and its place in it, so that every error names both.</summary>
internal readonly struct JsonAt(string file, string place, JsonElement value)
{
    public JsonElement Value => value;

    public string File => file;

    public JsonValueKind Kind => value.ValueKind;

    /// <summary>Reads the whole file and hands its root to <paramref name="read"/>; what the JSON reader throws becomes TK008.</summary>
    public static T ReadFile<T>(string path, Func<JsonAt, T> read) => ReadBytes(path, InputFile.ReadAll(path), read);

    /// <summary>As <see cref="ReadFile{T}"/>, for JSON that is in memory; <paramref name="file"/> is its name in messages.</summary>
    public static T ReadBytes<T>(string file, ReadOnlyMemory<byte> bytes, Func<JsonAt, T> read)
    {
        if (bytes.Span.StartsWith("\uFEFF"u8))
            bytes = bytes[3..];
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 64 });
            return read(new JsonAt(file, "$", document.RootElement));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Fetching a string with a lone surrogate or invalid UTF-8 throws InvalidOperationException.
            throw new ModelFileException("TK008", file, $"is not valid JSON: {Echo.Reason(e)}; download the file again", e);
        }
    }

    public ModelFileException Error(string code, string message, Exception? inner = null) =>
        new(code, file, $"{Echo.Name(place, 1000)}: {message}", inner);

    public ModelFileException Unsupported(string what, string name) =>
        Error("TK006", $"{Path.GetFileName(file)} uses {what} {Echo.Quote(name)}, which is not supported");

    /// <summary>The member, or null where it is absent or null.</summary>
    public JsonAt? Optional(string key)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Expected("an object");
        return value.TryGetProperty(key, out JsonElement member) && member.ValueKind != JsonValueKind.Null ? At(key, member) : null;
    }

    public JsonAt Required(string key) =>
        Optional(key) ?? throw Error("TK007", $"has no '{Echo.Name(key)}'; the file is incomplete, download it again");

    public string Text() => value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Expected("a string");

    public string Text(string key) => Required(key).Text();

    public string? OptionalText(string key) => Optional(key)?.Text();

    public bool Flag(string key, bool absent) => Optional(key) is { } member ? member.Flag() : absent;

    public bool Flag() => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Expected("true or false"),
    };

    public int Count(string key, int absent) => Optional(key) is { } member ? member.Integer(int.MaxValue) : absent;

    /// <summary>A token id: an integer from 0 to 2^24 - 1.</summary>
    public int Id() => Integer(Vocabulary.LargestId);

    private int Integer(int largest)
    {
        if (value.ValueKind != JsonValueKind.Number)
            throw Expected("an integer");
        if (!value.TryGetInt64(out long number) || number < 0 || number > largest)
            throw Error("TK003", $"{Echo.Quote(value.GetRawText())} is not an integer from 0 to {largest}");
        return (int)number;
    }

    public IEnumerable<JsonAt> Items()
    {
        if (value.ValueKind != JsonValueKind.Array)
            throw Expected("an array");
        int index = 0;
        foreach (JsonElement item in value.EnumerateArray())
            yield return At(string.Create(CultureInfo.InvariantCulture, $"[{index++}]"), item);
    }

    public IEnumerable<(string Name, JsonAt Value)> Members()
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Expected("an object");
        foreach (JsonProperty member in value.EnumerateObject())
            yield return (member.Name, At(member.Name, member.Value));
    }

    public ModelFileException Expected(string what) => Error("TK009", $"expected {what}, found {value.ValueKind}");

    private JsonAt At(string key, JsonElement member) =>
        new(file, key.StartsWith('[') ? place + key : $"{place}.{key[..Math.Min(key.Length, 120)]}", member);
}
