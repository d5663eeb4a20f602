using System.Buffers;
using System.Text;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers;

/// <summary>
/// Cuts a text at the added tokens in it: leftmost first and of those the longest, as the tokenizers library does, or, with longestFirst,
/// at every place of the longest token, then of the next, as GGUF vocabularies mean it (spec/formats.md §7.2). The two differ where tokens overlap.
/// </summary>
internal sealed class AddedTokenMatcher
{
    private readonly TokenTrie _trie = new();
    private readonly SearchValues<char> _first;
    private readonly Dictionary<AddedToken, (int Order, string Text)>? _byLength;

    /// <summary>The texts to look for; they differ from the tokens' contents where the contents are normalised first.</summary>
    public AddedTokenMatcher(IEnumerable<(string Text, AddedToken Token)> tokens, bool longestFirst = false)
    {
        (string Text, AddedToken Token)[] all = [.. tokens.Where(t => t.Text.Length > 0)];
        foreach ((string text, AddedToken token) in all)
            _trie.Add(text, token);
        _first = SearchValues.Create(all.Select(t => t.Text[0]).Distinct().ToArray());
        if (longestFirst)
        {
            _byLength = all.OrderByDescending(t => Encoding.UTF8.GetByteCount(t.Text)).Select((t, order) => (t.Token, t.Text, order))
                .ToDictionary(t => t.Token, t => (t.order, t.Text));
        }
    }

    /// <summary>The parts of <paramref name="text"/> in order; a part without token is ordinary text and not empty.</summary>
    public List<(int Start, int Length, AddedToken? Token)> Cut(string text, bool parseSpecial)
    {
        var parts = new List<(int Start, int Length, AddedToken? Token)>();
        if (_byLength is null)
        {
            CutLeftmost(text, parseSpecial, parts);
            return parts;
        }
        if (text.Length > 0)
            parts.Add((0, text.Length, null));
        foreach (AddedToken token in Present(text, parseSpecial).OrderBy(t => _byLength[t].Order))
            parts = CutAt(text, parts, token, _byLength[token].Text);
        return parts;
    }

    private void CutLeftmost(string text, bool parseSpecial, List<(int Start, int Length, AddedToken? Token)> parts)
    {
        int done = 0;
        for (int at = NextStart(text, 0); at >= 0; at = NextStart(text, at))
        {
            if (LongestAt(text, at, parseSpecial, out int length) is { } token && Fits(text, at, length, token))
            {
                Add(text, ref done, text.Length, at, length, token, parts);
                at = done;
            }
            else
            {
                // A token that does not fit is passed over whole.
                at += Math.Max(1, length);
            }
        }
        if (done < text.Length)
            parts.Add((done, text.Length - done, null));
    }

    private static List<(int Start, int Length, AddedToken? Token)> CutAt(
        string text, List<(int Start, int Length, AddedToken? Token)> parts, AddedToken token, string content)
    {
        var cut = new List<(int Start, int Length, AddedToken? Token)>(parts.Count + 2);
        foreach ((int Start, int Length, AddedToken? Token) part in parts)
        {
            if (part.Token is not null || part.Length < content.Length)
            {
                cut.Add(part);
                continue;
            }
            int done = part.Start, end = part.Start + part.Length;
            for (int at = done; at < end;)
            {
                int step = text.AsSpan(at, end - at).IndexOf(content, StringComparison.Ordinal);
                if (step < 0)
                    break;
                at += step;
                if (Fits(text, at, content.Length, token))
                {
                    Add(text, ref done, end, at, content.Length, token, cut);
                    at = done;
                }
                else
                {
                    at += content.Length;
                }
            }
            if (done < end)
                cut.Add((done, end - done, null));
        }
        return cut;
    }

    /// <summary>Adds the text before a token and the token with the white space that it absorbs, between <paramref name="done"/> and <paramref name="limit"/>.</summary>
    private static void Add(string text, ref int done, int limit, int start, int length, AddedToken token, List<(int Start, int Length, AddedToken? Token)> parts)
    {
        int end = start + length;
        if (token.LeftStrip)
            while (start > done && char.IsWhiteSpace(text[start - 1]))
                start--;
        if (token.RightStrip)
            while (end < limit && char.IsWhiteSpace(text[end]))
                end++;
        if (start > done)
            parts.Add((done, start - done, null));
        parts.Add((start, end - start, token));
        done = end;
    }

    private static bool Fits(string text, int start, int length, AddedToken token) =>
        !token.SingleWord || !(EndsWithWord(text.AsSpan(0, start)) || StartsWithWord(text.AsSpan(start + length)));

    private int NextStart(string text, int from) =>
        from < text.Length && text.AsSpan(from).IndexOfAny(_first) is >= 0 and int step ? from + step : -1;

    private AddedToken? LongestAt(string text, int at, bool parseSpecial, out int length)
    {
        AddedToken? longest = null;
        length = 0;
        int node = 0, reached = 0;
        while (_trie.Next(text.AsSpan(at), ref node, ref reached, out AddedToken? token))
            if (parseSpecial || !token!.Special)
                (longest, length) = (token, reached);
        return longest;
    }

    private HashSet<AddedToken> Present(string text, bool parseSpecial)
    {
        var present = new HashSet<AddedToken>();
        for (int at = NextStart(text, 0); at >= 0; at = NextStart(text, at + 1))
        {
            int node = 0, reached = 0;
            while (_trie.Next(text.AsSpan(at), ref node, ref reached, out AddedToken? token))
                if (parseSpecial || !token!.Special)
                    present.Add(token!);
        }
        return present;
    }

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && Characters.IsWord(rune);

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && Characters.IsWord(rune);
}
