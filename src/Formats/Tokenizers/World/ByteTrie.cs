namespace Marrow.Formats.Tokenizers.World;

/// <summary>
/// The tokens of a vocabulary as a trie over bytes in three flat arrays, nine bytes a node. Nodes stand in breadth-first order, so that the
/// children of a node lie side by side, sorted, and those of node n end where those of node n + 1 begin. Immutable.
/// </summary>
internal sealed class ByteTrie
{
    private readonly byte[] _labels;
    private readonly int[] _tokens;
    private readonly int[] _children;

    /// <summary>A trie of the tokens with these ids (in the order of their bytes, no two alike), without <paramref name="leftOut"/>.</summary>
    public ByteTrie(WorldVocabulary vocabulary, int leftOut)
    {
        int[] sorted = [.. vocabulary.Sorted.Where(id => id != leftOut)];
        List<byte> labels = [0];
        List<int> tokens = [], children = [];
        // Each node's tokens are a range of the sorted ones, which share their first bytes.
        List<(int From, int To, int Depth)> ranges = [(0, sorted.Length, 0)];
        for (int node = 0; node < ranges.Count; node++)
        {
            (int from, int to, int depth) = ranges[node];
            children.Add(ranges.Count);
            bool ends = from < to && vocabulary[sorted[from]].Length == depth;
            tokens.Add(ends ? sorted[from++] : -1);
            while (from < to)
            {
                byte label = vocabulary[sorted[from]][depth];
                int first = from;
                while (from < to && vocabulary[sorted[from]][depth] == label)
                    from++;
                labels.Add(label);
                ranges.Add((first, from, depth + 1));
            }
        }
        children.Add(ranges.Count);
        (_labels, _tokens, _children) = ([.. labels], [.. tokens], [.. children]);
    }

    /// <summary>The longest token that <paramref name="text"/> begins with; −1 where there is none.</summary>
    public int LongestAt(ReadOnlySpan<byte> text, out int length)
    {
        int token = -1, node = 0;
        length = 0;
        for (int i = 0; i < text.Length; i++)
        {
            node = Child(node, text[i]);
            if (node < 0)
                break;
            if (_tokens[node] >= 0)
                (token, length) = (_tokens[node], i + 1);
        }
        return token;
    }

    /// <summary>Whether a token of this one byte exists.</summary>
    public bool Has(byte value) => Child(0, value) is >= 0 and int node && _tokens[node] >= 0;

    private int Child(int node, byte label)
    {
        int first = _children[node];
        int at = _labels.AsSpan(first, _children[node + 1] - first).IndexOf(label);
        return at < 0 ? -1 : first + at;
    }
}
