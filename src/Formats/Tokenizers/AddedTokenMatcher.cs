using System.Buffers;
using System.Text;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers;

/// <summary>Cuts a text at the added tokens in it, leftmost first and of those the longest.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<char, (string Text, AddedToken Token)[]> _byFirst;
    private readonly SearchValues<char> _first;

    /// <summary>The texts to look for; they differ from the tokens' contents where the contents are normalised first.</summary>
    public AddedTokenMatcher(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        _byFirst = tokens.Where(t => t.Text.Length > 0)
            .GroupBy(t => t.Text[0])
            .ToDictionary(g => g.Key, g => g.OrderByDescending(t => t.Text.Length).ToArray());
        _first = SearchValues.Create(_byFirst.Keys.ToArray());
    }

    /// <summary>The parts of <paramref name="text"/> in order; a part without token is ordinary text and not empty.</summary>
    public List<(int Start, int Length, AddedToken? Token)> Cut(string text, bool parseSpecial)
    {
        var parts = new List<(int, int, AddedToken?)>();
        int done = 0, at = 0;
        while (at < text.Length)
        {
            int step = text.AsSpan(at).IndexOfAny(_first);
            if (step < 0)
                break;
            at += step;
            if (LongestAt(text, at, parseSpecial) is not { } found)
            {
                at++;
                continue;
            }
            int start = at, end = at + found.Text.Length;
            at = end;
            if (found.Token.SingleWord && (EndsWithWord(text.AsSpan(0, start)) || StartsWithWord(text.AsSpan(end))))
                continue;
            if (found.Token.LeftStrip)
                while (start > done && char.IsWhiteSpace(text[start - 1]))
                    start--;
            if (found.Token.RightStrip)
                while (end < text.Length && char.IsWhiteSpace(text[end]))
                    end++;
            if (start > done)
                parts.Add((done, start - done, null));
            parts.Add((start, end - start, found.Token));
            done = at = end;
        }
        if (done < text.Length)
            parts.Add((done, text.Length - done, null));
        return parts;
    }

    private (string Text, AddedToken Token)? LongestAt(string text, int at, bool parseSpecial)
    {
        foreach ((string Text, AddedToken Token) candidate in _byFirst[text[at]])
            if ((parseSpecial || !candidate.Token.Special) && text.AsSpan(at).StartsWith(candidate.Text, StringComparison.Ordinal))
                return candidate;
        return null;
    }

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && Characters.IsWord(rune);

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && Characters.IsWord(rune);
}
