using System.Numerics;
using System.Text;

namespace Marrow.Formats.Gguf;

/// <summary>A tensor as the header tells it, its layout not yet checked; the sizes stand fastest first, as in the file.</summary>
internal readonly record struct GgufEntry(string Name, long[] Sizes, int Type, ulong Offset);

/// <summary>
/// The header of a GGUF file of version 2 or 3 (spec/formats.md §2.1, §2.3). What leaves no way to read on is thrown; other problems are
/// told to the reporter, which may throw them.
/// </summary>
internal sealed class GgufHeader
{
    public const string AlignmentKey = "general.alignment";
    public const int UsualAlignment = 32;
    public const int LongestKey = 65_535;
    public const int LongestName = 63;
    public const int MostDimensions = 4;
    public const long LargestAlignment = 1 << 20;
    private const int LeastPairBytes = 14, LeastTensorBytes = 24;
    private const int PairCost = 200, TensorCost = 320;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly GgufInput _input;
    private readonly Action<ModelFileException> _report;

    /// <exception cref="ModelFileException">GG001 … GG013, GG023; IO004, IO006 another thing.</exception>
    public GgufHeader(GgufInput input, Action<ModelFileException> report)
    {
        _input = input;
        _report = report;
        Values = new GgufMetadata(input.Path);
        CheckStart();
        long tensors = Count("tensors", LeastTensorBytes), pairs = Count("metadata values", LeastPairBytes);
        ReadPairs(pairs);
        Alignment = ReadAlignment();
        for (long i = 0; i < tensors; i++)
            Tensors.Add(ReadTensor(i));
        End = input.Position;
    }

    public GgufMetadata Values { get; }

    public List<GgufEntry> Tensors { get; } = [];

    public List<string> Warnings { get; } = [];

    /// <summary>What tensors' places are multiples of, in bytes.</summary>
    public long Alignment { get; }

    /// <summary>Where the header ends; the data begin at the next multiple of the alignment.</summary>
    public long End { get; }

    private void CheckStart()
    {
        ReadOnlySpan<byte> start = _input.Take((int)Math.Min(_input.Length, 4), "the magic");
        if (!"GGUF"u8.StartsWith(start))
            throw new ModelFileException("GG001", _input.Path, OldFormat(start) is { } old
                ? $"this is a file in the old {old} format, which came before GGUF; convert the original model anew"
                : "this is not a GGUF file: it does not begin with \"GGUF\"; it is damaged, or of another kind: check where it came from");
        uint version = _input.UInt32("the version");
        if (version is not (2 or 3))
            throw new ModelFileException("GG002", _input.Path, (version & 0xFFFF) == 0 && version != 0
                ? "the file is big-endian (its version is byte-swapped); only little-endian files are read, so take a little-endian one"
                : $"GGUF version {version} is not supported, only 2 and 3; {(version == 1 ? "version 1 is no longer read by any program, convert the original model anew" : "the file is damaged, or newer than this program")}");
    }

    private static string? OldFormat(ReadOnlySpan<byte> start)
    {
        // The old magics are numbers: their letters stand in reverse in the files.
        foreach (string name in (string[])["ggml", "ggmf", "ggjt", "ggla", "ggsn"])
            if (start.Length == 4 && (Ascii.EqualsIgnoreCase(start, name) || (start[0] == name[3] && start[1] == name[2] && start[2] == name[1] && start[3] == name[0])))
                return name;
        return null;
    }

    private long Count(string what, int leastBytes)
    {
        ulong count = _input.UInt64($"the number of {what}");
        return count <= (ulong)(_input.Remaining / leastBytes) ? (long)count : throw new ModelFileException("GG003", _input.Path,
            $"the header counts {count} {what} at byte {_input.Position - 8}, but the rest of {_input.Limit} can hold at most {_input.Remaining / leastBytes}; the file is damaged or was cut short, fetch it again");
    }

    private void ReadPairs(long count)
    {
        GgufValueReader reader = new(_input, _report);
        for (long i = 0; i < count; i++)
        {
            long at = _input.Position;
            byte[] bytes = _input.String($"the key of metadata value {i}");
            if (bytes.Length is 0 or > LongestKey)
                throw new ModelFileException("GG006", _input.Path, $"the key of metadata value {i} at byte {at} has {bytes.Length} bytes; keys have 1 to {LongestKey}, so the file is damaged");
            string key = Text(bytes) ?? throw new ModelFileException("GG006", _input.Path, $"the key of metadata value {i} at byte {at} is not valid UTF-8; the file is damaged");
            string shown = Echo.Name(key);
            if (!Ascii.IsValid(bytes) || shown != key)
                Warnings.Add($"metadata key '{shown}' is not plain ASCII");
            _input.Spend(PairCost);
            GgufValue value = reader.Read(shown);
            if (Values.Has(key))
                _report(new ModelFileException("GG007", _input.Path, $"duplicate metadata key '{shown}' at byte {at}; the file is damaged, or made by a faulty program"));
            else
                Values.Set(key, value);
        }
    }

    private long ReadAlignment()
    {
        if (!Values.Values.TryGetValue(AlignmentKey, out GgufValue? value))
            return UsualAlignment;
        if (value is { Type: GgufType.U32, Content: long number } && BitOperations.IsPow2(number) && number <= LargestAlignment)
            return number;
        _report(Values.Error("GG012", AlignmentKey, $"must be a power of two of type U32, at most {LargestAlignment}, but is {(value.Content is long or ulong ? $"{value.Type} {value.Content}" : value.Type)}; the file is damaged"));
        return UsualAlignment;
    }

    private GgufEntry ReadTensor(long index)
    {
        long at = _input.Position;
        byte[] bytes = _input.String($"the name of tensor {index}");
        string? text = Text(bytes);
        string name = text ?? Encoding.Latin1.GetString(bytes), shown = Echo.Name(name);
        if (text is null || bytes.Length is 0 or > LongestName)
            _report(new ModelFileException("GG023", _input.Path, $"the name '{shown}' of tensor {index} at byte {at} has {bytes.Length} bytes{(text is null ? " that are not valid UTF-8" : "")}; "
                + $"names have 1 to {LongestName} bytes of UTF-8"));
        string what = $"tensor '{shown}'";
        uint dimensions = _input.UInt32(what);
        if (dimensions > MostDimensions)
            throw new ModelFileException("GG013", _input.Path, $"{what} has {dimensions} dimensions at byte {_input.Position - 4}; GGUF allows {MostDimensions}, so the file is damaged");
        _input.Spend(TensorCost);
        long[] sizes = new long[dimensions];
        foreach (ref long size in sizes.AsSpan())
            size = (long)_input.UInt64(what);
        return new GgufEntry(name, sizes, _input.Int32(what), _input.UInt64(what));
    }

    private static string? Text(byte[] bytes)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
