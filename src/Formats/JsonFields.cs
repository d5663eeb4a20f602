using System.Text.Json;
using System.Text.Unicode;

namespace Marrow.Formats;

/// <summary>
/// The members of a JSON object in a configuration file, fetched by key with their type and range checked. A null counts as absent.
/// Integers may be written 4096.0; numbers as strings are refused.
/// </summary>
public sealed class JsonFields
{
    private const int DeepestJson = 64;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = DeepestJson, AllowDuplicateProperties = false };

    private readonly JsonElement _object;
    private readonly string _prefix;
    private readonly string _wrongType;

    private JsonFields(string path, JsonElement element, string prefix, string wrongType)
    {
        Path = path;
        _object = element;
        _prefix = prefix;
        _wrongType = wrongType;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The keys, in the file's order, null values included; names with a broken escape do not get past <see cref="Parse"/>.</summary>
    public IEnumerable<string> Keys => _object.EnumerateObject().Select(p => p.Name);

    /// <summary>Parses the bytes of <paramref name="path"/> (named in messages only).</summary>
    /// <param name="path">The file.</param>
    /// <param name="utf8">Its content; a byte order mark is skipped.</param>
    /// <param name="notAnObject">The code of the error for anything but a JSON object.</param>
    /// <param name="wrongType">The code of the error for a member of another type.</param>
    /// <exception cref="ModelFileException">The two codes.</exception>
    public static JsonFields Parse(string path, ReadOnlyMemory<byte> utf8, string notAnObject, string wrongType)
    {
        if (utf8.Span.StartsWith("\uFEFF"u8))
            utf8 = utf8[3..];
        if (!Utf8.IsValid(utf8.Span))
            throw new ModelFileException(notAnObject, path, "is not valid JSON: it is not UTF-8");
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8, Strict);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new ModelFileException(notAnObject, path, $"must hold a JSON object, not {Kind(document.RootElement)}");
            if (utf8.Span.IndexOf("\\u"u8) >= 0)
                RequireUnicode(document.RootElement);
            return new JsonFields(path, document.RootElement.Clone(), "", wrongType);
        }
        // The parser reports a lone surrogate escape as a wrong use of itself.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new ModelFileException(notAnObject, path, $"is not valid JSON: {Echo.Reason(e)}", e);
        }
    }

    // Fetches every text, as whoever writes the object again will; half of a surrogate pair throws.
    private static void RequireUnicode(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                _ = value.GetString();
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in value.EnumerateArray())
                    RequireUnicode(item);
                break;
            case JsonValueKind.Object:
                foreach (JsonProperty member in value.EnumerateObject())
                {
                    _ = member.Name;
                    RequireUnicode(member.Value);
                }
                break;
        }
    }

    /// <summary>Whether the key is there, be it null.</summary>
    public bool Contains(string key) => _object.TryGetProperty(key, out _);

    /// <summary>Whether the key is there and not null.</summary>
    public bool Has(string key) => Find(key) is not null;

    /// <summary>The text of a value as it stands in the file; "null" where absent.</summary>
    public string Raw(string key) => Find(key)?.GetRawText() ?? "null";

    /// <summary>An integer within the bounds, or null where absent.</summary>
    public long? Integer(string key, long least, long most, string? code = null)
    {
        if (Find(key) is not { } value)
            return null;
        long number = AsInteger(key, value);
        return number >= least && number <= most ? number
            : throw Error(code ?? _wrongType, key, $"is {number}, but must lie in {least} … {most}");
    }

    /// <summary>A finite number, or null where absent.</summary>
    public double? Number(string key)
    {
        if (Find(key) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) ? number
            : throw Wrong(key, "a finite number", value);
    }

    /// <summary>A finite number above zero, or null where absent.</summary>
    public double? Positive(string key, string? code = null) =>
        Number(key) is not { } number ? null : number > 0 ? number : throw Error(code ?? _wrongType, key, $"is {number:R}, but must be above 0");

    /// <summary>A truth value, or null where absent.</summary>
    public bool? Flag(string key) => Find(key) is not { } value ? null : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(key, "true or false", value),
    };

    /// <summary>A string, or null where absent.</summary>
    public string? Text(string key) => Find(key) is { } value ? AsText(key, value) : null;

    /// <summary>A list of strings, or null where absent.</summary>
    public IReadOnlyList<string>? Texts(string key) => List(key)?.Select(v => AsText(key, v)).ToArray();

    /// <summary>One integer or a list of them, or null where absent.</summary>
    public IReadOnlyList<long>? Integers(string key) =>
        Find(key) is { ValueKind: JsonValueKind.Number } one ? [AsInteger(key, one)] : List(key)?.Select(v => AsInteger(key, v)).ToArray();

    /// <summary>An object, or null where absent.</summary>
    public JsonFields? Object(string key) => Find(key) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new JsonFields(Path, value, $"{_prefix}{key}.", _wrongType) : throw Wrong(key, "an object", value);

    /// <summary>An error about a key, with its full path in the file.</summary>
    public ModelFileException Error(string code, string key, string message) => new(code, Path, $"'{_prefix}{Echo.Name(key)}' {message}");

    private JsonElement? Find(string key) =>
        _object.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private JsonElement.ArrayEnumerator? List(string key) => Find(key) is not { } value ? null
        : value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw Wrong(key, "a list", value);

    private long AsInteger(string key, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number)
        {
            if (value.TryGetInt64(out long whole))
                return whole;
            if (value.TryGetDouble(out double real) && double.IsInteger(real) && Math.Abs(real) < 1L << 53)
                return (long)real;
        }
        throw Wrong(key, "an integer", value);
    }

    private string AsText(string key, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            throw Wrong(key, "a string", value);
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFileException(_wrongType, Path, $"'{_prefix}{Echo.Name(key)}' holds an invalid string escape", e);
        }
    }

    private ModelFileException Wrong(string key, string needed, JsonElement value) =>
        Error(_wrongType, key, $"must be {needed}, not {Kind(value)}");

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => $"the number {Echo.Name(value.GetRawText())}",
        JsonValueKind.String => $"the string {Echo.Name(value.GetRawText())}",
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        JsonValueKind.Null => "null",
        _ => value.ValueKind == JsonValueKind.True ? "true" : "false",
    };
}
