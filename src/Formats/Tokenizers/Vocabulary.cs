using System.Diagnostics.CodeAnalysis;

namespace Marrow.Formats.Tokenizers;

/// <summary>Token texts and their ids, one to one. Filled while a file is read, then only read.</summary>
internal sealed class Vocabulary
{
    /// <summary>Ids stay below 2^24 (spec/formats.md §7.6).</summary>
    public const int LargestId = (1 << 24) - 1;

    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<int, string> _tokens;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    /// <summary><paramref name="expected"/> is how many tokens were seen in the file, not a number it declares.</summary>
    public Vocabulary(int expected)
    {
        _ids = new(expected, StringComparer.Ordinal);
        _tokens = new(expected);
        _bySpan = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>One more than the largest id.</summary>
    public int Size { get; private set; }

    /// <summary>False where the text or the id is already taken.</summary>
    public bool TryAdd(string token, int id)
    {
        if (_tokens.ContainsKey(id) || !_ids.TryAdd(token, id))
            return false;
        _tokens.Add(id, token);
        Size = Math.Max(Size, id + 1);
        return true;
    }

    public bool TryGetId(ReadOnlySpan<char> token, out int id) => _bySpan.TryGetValue(token, out id);

    public int? IdOf(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    public bool TryGetToken(int id, [NotNullWhen(true)] out string? token) => _tokens.TryGetValue(id, out token);
}
