namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>The lines of a merge list; a rank is the line's number.</summary>
internal sealed class MergeTable(int expected) : IPairTable
{
    private readonly Dictionary<ulong, (int Rank, int Merged)> _merges = new(expected);

    public int Count => _merges.Count;

    /// <summary>A pair that is named twice keeps the later rank, as the tokenizers library does.</summary>
    public void Set(int left, int right, int rank, int merged) => _merges[Key(left, right)] = (rank, merged);

    public bool TryGet(int left, int right, out int rank, out int merged)
    {
        bool found = _merges.TryGetValue(Key(left, right), out (int Rank, int Merged) merge);
        (rank, merged) = merge;
        return found;
    }

    // An odd factor keeps keys distinct; without it .NET's hash, left ^ right, would put all doubled tokens into one bucket.
    private static ulong Key(int left, int right) => unchecked((((ulong)(uint)left << 32) | (uint)right) * 0x9E3779B97F4A7C15UL);
}
