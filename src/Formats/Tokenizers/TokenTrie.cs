namespace Marrow.Formats.Tokenizers;

/// <summary>The texts of added tokens by their characters, so that looking for them costs the text's length times the longest match.</summary>
internal sealed class TokenTrie
{
    private readonly Dictionary<long, int> _children = [];
    private readonly List<AddedToken?> _tokens = [null];

    /// <summary>Of two tokens with one text the first stays.</summary>
    public void Add(string text, AddedToken token)
    {
        int node = 0;
        foreach (char c in text)
        {
            if (!_children.TryGetValue(Key(node, c), out int child))
            {
                _children.Add(Key(node, c), child = _tokens.Count);
                _tokens.Add(null);
            }
            node = child;
        }
        _tokens[node] ??= token;
    }

    /// <summary>The next longer token that <paramref name="text"/> begins with. Start with node and length 0; false where there is no more.</summary>
    public bool Next(ReadOnlySpan<char> text, ref int node, ref int length, out AddedToken? token)
    {
        token = null;
        while (length < text.Length && _children.TryGetValue(Key(node, text[length]), out node))
        {
            length++;
            if ((token = _tokens[node]) is not null)
                return true;
        }
        return false;
    }

    private static long Key(int node, char c) => ((long)node << 16) | c;
}
