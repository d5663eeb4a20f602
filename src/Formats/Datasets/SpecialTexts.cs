using System.Buffers;

namespace Marrow.Formats.Datasets;

/// <summary>The texts of a tokenizer's special tokens, and the search for them in data.</summary>
internal sealed class SpecialTexts
{
    private readonly string[] _texts;
    private readonly SearchValues<string> _search;

    public SpecialTexts(ITokenizer tokenizer)
    {
        var texts = new List<string>();
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            if (!tokenizer.IsSpecial(id))
                continue;
            string text = tokenizer.Decode([id], skipSpecial: false);
            if (text.Length > 0 && tokenizer.IdOf(text) == id)
                texts.Add(text);
        }
        // The longest first, so that a token that begins with another one is found whole.
        texts.Sort((a, b) => a.Length != b.Length ? b.Length - a.Length : string.CompareOrdinal(a, b));
        _texts = [.. texts];
        _search = SearchValues.Create(_texts, StringComparison.Ordinal);
    }

    /// <summary>Finds the first special token written out from <paramref name="from"/> on.</summary>
    public bool Find(string text, int from, out int at, out string special)
    {
        int found = _texts.Length == 0 ? -1 : text.AsSpan(from).IndexOfAny(_search);
        at = from + found;
        special = "";
        if (found < 0)
            return false;
        int start = at;
        special = Array.Find(_texts, t => string.CompareOrdinal(text, start, t, 0, t.Length) == 0)!;
        return true;
    }

    /// <summary>Whether the text ends with a special token written out.</summary>
    public bool IsAtEnd(ReadOnlySpan<char> text)
    {
        foreach (string special in _texts)
            if (text.EndsWith(special, StringComparison.Ordinal))
                return true;
        return false;
    }
}
