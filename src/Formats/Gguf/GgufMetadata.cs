using System.Globalization;
using System.Text;

namespace Marrow.Formats.Gguf;

/// <summary>The types of values in GGUF metadata, by their numbers (spec/formats.md §2.1).</summary>
public enum GgufType
{
    /// <summary>Unsigned 8-bit integer.</summary>
    U8,
    /// <summary>Signed 8-bit integer.</summary>
    I8,
    /// <summary>Unsigned 16-bit integer.</summary>
    U16,
    /// <summary>Signed 16-bit integer.</summary>
    I16,
    /// <summary>Unsigned 32-bit integer.</summary>
    U32,
    /// <summary>Signed 32-bit integer.</summary>
    I32,
    /// <summary>32-bit float.</summary>
    F32,
    /// <summary>A byte, 0 or 1.</summary>
    Bool,
    /// <summary>Bytes, UTF-8 but for the tokens of some vocabularies.</summary>
    String,
    /// <summary>Values of one type.</summary>
    Array,
    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
    /// <summary>Signed 64-bit integer.</summary>
    I64,
    /// <summary>64-bit float.</summary>
    F64,
}

/// <summary>One value of GGUF metadata. Integers of every width are <see cref="long"/> or <see cref="ulong"/> here, floats <see cref="double"/>.</summary>
/// <param name="Type">Its stored type; of an array, that of its elements.</param>
/// <param name="Content">
/// long (all signed and the narrower unsigned integers), ulong (U64), double (F32, F64), bool, byte[] (String); for arrays long[], ulong[], double[], bool[] or byte[][].
/// </param>
public sealed record GgufValue(GgufType Type, object Content)
{
    /// <summary>Whether it is an array.</summary>
    public bool IsArray => Content is System.Array and not byte[];

    /// <summary>The number of values.</summary>
    public int Count => IsArray ? ((System.Array)Content).Length : 1;
}

/// <summary>
/// The key-value notes of a GGUF file, in their order. Reading is lenient about widths, as writers are: any integer type serves where a number is needed.
/// </summary>
public sealed class GgufMetadata(string path)
{
    private readonly OrderedDictionary<string, GgufValue> _values = [];

    /// <summary>The file, for messages.</summary>
    public string Path { get; } = path;

    /// <summary>Every key with its value.</summary>
    public IReadOnlyDictionary<string, GgufValue> Values => _values;

    /// <summary>Whether there is such a key.</summary>
    public bool Has(string key) => _values.ContainsKey(key);

    /// <summary>Puts a value, in the place of the key's old one or at the end.</summary>
    public void Set(string key, GgufValue value) => _values[key] = value;

    /// <summary>Puts a text.</summary>
    public void Set(string key, string value) => Set(key, new GgufValue(GgufType.String, Encoding.UTF8.GetBytes(value)));

    /// <summary>Puts a number as U32, which is what readers expect of sizes and ids.</summary>
    public void Set(string key, long value) => Set(key, new GgufValue(GgufType.U32, checked((long)(uint)value)));

    /// <summary>Puts a number as F32.</summary>
    public void Set(string key, float value) => Set(key, new GgufValue(GgufType.F32, (double)value));

    /// <summary>Puts a truth value.</summary>
    public void Set(string key, bool value) => Set(key, new GgufValue(GgufType.Bool, value));

    /// <summary>The text of a key; null where there is none.</summary>
    /// <exception cref="ModelFileException">GG030 another type; GG031 not UTF-8.</exception>
    public string? Text(string key) => Find(key, GgufType.String) is { } value ? Decode(key, (byte[])value.Content) : null;

    /// <summary>The whole number of a key, stored in any width; null where there is none.</summary>
    /// <exception cref="ModelFileException">GG030 no whole number, or above 2^63.</exception>
    public long? Integer(string key) => !_values.TryGetValue(key, out GgufValue? value) ? null : value.Content switch
    {
        long number => number,
        ulong number when number <= long.MaxValue => (long)number,
        _ => throw Wrong(key, value, "a whole number"),
    };

    /// <summary>A size or id: a whole number from 0 to 2^31−1; null where there is none.</summary>
    /// <exception cref="ModelFileException">GG030 another type or outside this range.</exception>
    public int? Size(string key) => Integer(key) is not { } number ? null
        : number is >= 0 and <= int.MaxValue ? (int)number : throw Wrong(key, _values[key], "a number from 0 to 2147483647");

    /// <summary>The number of a key, whole or not; null where there is none.</summary>
    /// <exception cref="ModelFileException">GG030 no finite number.</exception>
    public double? Number(string key) => !_values.TryGetValue(key, out GgufValue? value) ? null : value.Content switch
    {
        double number when double.IsFinite(number) => number,
        long number => number,
        ulong number => number,
        _ => throw Wrong(key, value, "a finite number"),
    };

    /// <summary>The truth value of a key; null where there is none.</summary>
    /// <exception cref="ModelFileException">GG030 another type.</exception>
    public bool? Flag(string key) => Find(key, GgufType.Bool) is { } value ? (bool)value.Content : null;

    /// <summary>The strings of a key's array, as bytes; null where there is none.</summary>
    /// <exception cref="ModelFileException">GG030 another type.</exception>
    public byte[][]? Strings(string key) => Array<byte[]>(key, "strings");

    /// <summary>The numbers of a key's array, as stored in F32 or F64; null where there is none.</summary>
    /// <exception cref="ModelFileException">GG030 another type.</exception>
    public double[]? Numbers(string key) => Array<double>(key, "floats");

    /// <summary>The whole numbers of a key's array, stored in any width; null where there is none.</summary>
    /// <exception cref="ModelFileException">GG030 another type, or a number above 2^63−1.</exception>
    public long[]? Integers(string key)
    {
        // To the runtime a ulong[] is a long[] too: large numbers would come out negative.
        long[]? numbers = Array<long>(key, "whole numbers");
        return numbers is null || _values[key].Type != GgufType.U64 || !System.Array.Exists(numbers, number => number < 0) ? numbers
            : throw Wrong(key, _values[key], "an array of numbers below 2^63");
    }

    /// <summary>An error about a key, as one message.</summary>
    public ModelFileException Error(string code, string key, string message) => new(code, Path, $"metadata '{Echo.Name(key)}' {message}");

    private GgufValue? Find(string key, GgufType type) => !_values.TryGetValue(key, out GgufValue? value) ? null
        : value.Type == type && !value.IsArray ? value : throw Wrong(key, value, type == GgufType.String ? "a text" : "true or false");

    // Arrays of strings are arrays of arrays of bytes, which the content of a single string is not.
    private T[]? Array<T>(string key, string needed) => !_values.TryGetValue(key, out GgufValue? value) ? null
        : value.IsArray && value.Content is T[] array ? array : throw Wrong(key, value, $"an array of {needed}");

    private string Decode(string key, byte[] text)
    {
        try
        {
            return new UTF8Encoding(false, true).GetString(text);
        }
        catch (DecoderFallbackException)
        {
            throw Error("GG031", key, "is not valid UTF-8; the file is damaged, or made by a program that writes other encodings");
        }
    }

    private ModelFileException Wrong(string key, GgufValue value, string needed) => Error("GG030", key, string.Create(CultureInfo.InvariantCulture,
        $"is {(value.IsArray ? $"an array of {value.Count} {value.Type}" : value.Content is byte[] ? "a String" : $"{value.Type} {value.Content}")}, but must be {needed}; the file comes from a program that writes it otherwise, or is damaged"));
}
