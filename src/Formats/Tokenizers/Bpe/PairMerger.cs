namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>
/// Merges neighbouring symbols, lowest rank first and of equal ranks the leftmost, until no pair is in the table.
/// Short pieces are scanned; long ones use a heap whose entries may be stale, so a piece of n symbols costs O(n log n).
/// </summary>
internal static class PairMerger
{
    private const int ScanUpTo = 24;
    private const int None = int.MaxValue;

    /// <summary>Merges in place and returns how many symbols remain at the front of <paramref name="symbols"/>.</summary>
    public static int Merge(IPairTable table, Span<int> symbols) => Merge(table, symbols, out _);

    /// <summary><paramref name="steps"/> counts the pairs looked at, to show that the work stays bounded.</summary>
    internal static int Merge(IPairTable table, Span<int> symbols, out long steps) =>
        symbols.Length <= ScanUpTo ? Scan(table, symbols, out steps) : Heap(table, symbols, out steps);

    /// <summary>The plain form, quadratic: the short-piece path and the reference of the heap's tests.</summary>
    internal static int Scan(IPairTable table, Span<int> symbols, out long steps)
    {
        int count = symbols.Length;
        steps = 0;
        while (count > 1)
        {
            int best = None, at = -1, into = 0;
            for (int i = 0; i + 1 < count; i++)
            {
                if (table.TryGet(symbols[i], symbols[i + 1], out int rank, out int merged) && rank < best)
                    (best, at, into) = (rank, i, merged);
            }
            steps += count;
            if (at < 0)
                break;
            symbols[at] = into;
            symbols[(at + 2)..count].CopyTo(symbols[(at + 1)..]);
            count--;
        }
        return count;
    }

    internal static int Heap(IPairTable table, Span<int> symbols, out long steps)
    {
        int n = symbols.Length;
        steps = 0;
        var next = new int[n];
        var previous = new int[n];
        var rank = new int[n];
        var into = new int[n];
        var queue = new PairQueue(n);
        for (int i = 0; i < n; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
            rank[i] = None;
        }
        for (int i = 0; i < n; i++)
            Look(i, symbols);

        while (queue.TryDequeue(out int queued, out int at))
        {
            steps++;
            if (rank[at] != queued)
                continue;
            int gone = next[at];
            symbols[at] = into[at];
            rank[at] = rank[gone] = None;
            next[at] = next[gone];
            if (next[at] < n)
                previous[next[at]] = at;
            Look(at, symbols);
            if (previous[at] >= 0)
                Look(previous[at], symbols);
        }

        int count = 0;
        for (int i = 0; i < n; i = next[i])
            symbols[count++] = symbols[i];
        return count;

        void Look(int i, Span<int> all)
        {
            int found = None;
            if (next[i] >= n || !table.TryGet(all[i], all[next[i]], out found, out into[i]))
                found = None;
            // An entry of the same rank is still in the queue and serves again.
            if (found != None && found != rank[i])
                queue.Enqueue(found, i);
            rank[i] = found;
        }
    }
}
