using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Marrow.Formats.Tokenizers.World;

/// <summary>
/// The tokens of a World vocabulary file, byte strings by id in one flat array (spec/formats.md §5.1). A line is id, space, Python literal,
/// space, length in bytes. Ids may have gaps; no two tokens have the same id or the same bytes.
/// </summary>
internal sealed class WorldVocabulary
{
    /// <summary>Ids lie below this.</summary>
    public const int IdLimit = 1 << 20;

    /// <summary>Longer tokens are refused: matching costs text length times this in the worst case. The longest known has 128 bytes.</summary>
    public const int LongestToken = 1024;

    /// <summary>Larger files are refused; the known one has 1.1 MB.</summary>
    public const long LargestFile = 16 << 20;

    private readonly byte[] _bytes;
    private readonly int[] _starts;
    private readonly int[] _lengths;

    private WorldVocabulary(byte[] bytes, int[] starts, int[] lengths)
    {
        (_bytes, _starts, _lengths) = (bytes, starts, lengths);
        var ids = new List<int>();
        for (int id = 0; id < lengths.Length; id++)
            if (lengths[id] > 0)
                ids.Add(id);
        ids.Sort((a, b) => this[a].SequenceCompareTo(this[b]));
        Sorted = ids;
    }

    /// <summary>One more than the largest id.</summary>
    public int Size => _lengths.Length;

    /// <summary>The ids in the order of their bytes.</summary>
    public IReadOnlyList<int> Sorted { get; }

    /// <summary>The bytes of a token; empty where the id has none.</summary>
    public ReadOnlySpan<byte> this[int id] => (uint)id < (uint)Size ? _bytes.AsSpan(_starts[id], _lengths[id]) : [];

    /// <summary>Reads a vocabulary file.</summary>
    /// <exception cref="ModelFileException">
    /// RV001 another length than stated; RV002 literal not closed or with more behind it; RV003 bad escape; RV004 not a literal; RV005 duplicate id;
    /// RV006 no id, literal and length, or an id out of range; RV007 empty token, or over 1024 bytes; RV008 not UTF-8; RV009 the same bytes twice;
    /// RV010 file over 16 MiB; IO001 … IO006.
    /// </exception>
    public static WorldVocabulary Read(string path)
    {
        long length = InputFile.LengthOf(path);
        if (length > LargestFile)
            throw new ModelFileException("RV010", path, $"the file has {length} bytes, a vocabulary at most {LargestFile}; this is another file");
        return Parse(path, InputFile.ReadAll(path));
    }

    /// <summary>The same from the file's content.</summary>
    /// <exception cref="ModelFileException">As <see cref="Read"/>.</exception>
    internal static WorldVocabulary Parse(string path, ReadOnlySpan<byte> file)
    {
        // A token's bytes are never more than its literal's.
        byte[] bytes = new byte[file.Length];
        int[] starts = [], lengths = [];
        int used = 0, size = 0, lineNumber = 0;
        while (!file.IsEmpty)
        {
            lineNumber++;
            int end = file.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? file : file[..end];
            file = end < 0 ? [] : file[(end + 1)..];
            if (line is [.., (byte)'\r'])
                line = line[..^1];
            if (!Utf8.IsValid(line))
                throw Bad(path, lineNumber, "RV008", "is not UTF-8");
            (int id, int stated) = Split(path, lineNumber, line, out ReadOnlySpan<byte> literal);
            if (PythonLiteral.Read(literal, bytes.AsSpan(used), out int length) is var (code, reason))
                throw Bad(path, lineNumber, code, $"the token {Echo.Quote(Encoding.UTF8.GetString(literal))} {reason}");
            if (length != stated)
                throw Bad(path, lineNumber, "RV001", $"the token {Echo.Quote(Encoding.UTF8.GetString(literal))} has {length} bytes, but {stated} are stated");
            if (length is 0 or > LongestToken)
                throw Bad(path, lineNumber, "RV007", $"the token has {length} bytes; 1 to {LongestToken} are allowed");
            if (id >= lengths.Length)
            {
                Array.Resize(ref starts, Math.Max(id + 1, 2 * lengths.Length));
                Array.Resize(ref lengths, starts.Length);
            }
            if (lengths[id] != 0)
                throw Bad(path, lineNumber, "RV005", $"the id {id} has a token already");
            (starts[id], lengths[id]) = (used, length);
            used += length;
            size = Math.Max(size, id + 1);
        }
        Array.Resize(ref bytes, used);
        var vocabulary = new WorldVocabulary(bytes, starts[..size], lengths[..size]);
        vocabulary.RefuseTwins(path);
        return vocabulary;
    }

    /// <summary>The same from the tokens' bytes by id; where there are none the id has no token.</summary>
    /// <exception cref="ModelFileException">RV006 too many ids; RV007 token over 1024 bytes; RV009 the same bytes twice.</exception>
    internal static WorldVocabulary Of(string path, IReadOnlyList<byte[]> tokens)
    {
        if (tokens.Count > IdLimit)
            throw new ModelFileException("RV006", path, $"there are {tokens.Count} tokens; at most {IdLimit} are allowed; {Remedy}");
        var starts = new int[tokens.Count];
        var lengths = new int[tokens.Count];
        int used = 0;
        for (int id = 0; id < tokens.Count; id++)
        {
            if (tokens[id].Length > LongestToken)
                throw new ModelFileException("RV007", path, $"token {id} has {tokens[id].Length} bytes; 1 to {LongestToken} are allowed; {Remedy}");
            (starts[id], lengths[id]) = (used, tokens[id].Length);
            used += lengths[id];
        }
        var vocabulary = new WorldVocabulary([.. tokens.SelectMany(t => t)], starts, lengths);
        vocabulary.RefuseTwins(path);
        return vocabulary;
    }

    private static (int Id, int Length) Split(string path, int lineNumber, ReadOnlySpan<byte> line, out ReadOnlySpan<byte> literal)
    {
        int first = line.IndexOf((byte)' '), last = line.LastIndexOf((byte)' ');
        if (first < 0 || last == first || Number(line[..first]) is not { } id || Number(line[(last + 1)..]) is not { } length)
            throw Bad(path, lineNumber, "RV006", $"{Echo.Quote(Encoding.UTF8.GetString(line))} is not an id, a literal and a length, with a space between each");
        if (id >= IdLimit)
            throw Bad(path, lineNumber, "RV006", $"the id {id} is not below {IdLimit}");
        literal = line[(first + 1)..last];
        return (id, length);
    }

    /// <summary>Decimal digits only; null for anything else, and for more than nine of them.</summary>
    private static int? Number(ReadOnlySpan<byte> text) =>
        text.Length is > 0 and < 10 && !text.ContainsAnyExceptInRange((byte)'0', (byte)'9') && Utf8Parser.TryParse(text, out int value, out _) ? value : null;

    private void RefuseTwins(string path)
    {
        for (int i = 1; i < Sorted.Count; i++)
            if (this[Sorted[i]].SequenceEqual(this[Sorted[i - 1]]))
                throw new ModelFileException("RV009", path, string.Create(CultureInfo.InvariantCulture,
                    $"the ids {Sorted[i - 1]} and {Sorted[i]} have the same bytes, so a text has no one encoding; {Remedy}"));
    }

    private const string Remedy = "fetch the vocabulary again from where the model came from";

    private static ModelFileException Bad(string path, int line, string code, string what) =>
        new(code, path, string.Create(CultureInfo.InvariantCulture, $"line {line}: {what}; {Remedy}"));
}
