namespace Marrow.Formats;

/// <summary>Finds what a misspelt name may have meant.</summary>
public static class NearNames
{
    private const int MostCandidates = 5000;
    private const int LongestName = 256;

    /// <summary>
    /// Up to <paramref name="most"/> candidates by edit distance, nearest first. Those that begin with the name are near; of
    /// the others, those where more than a third of the letters differ are left out.
    /// </summary>
    public static IReadOnlyList<string> Of(string name, IEnumerable<string> candidates, int most = 3)
    {
        if (name.Length > LongestName)
            return [];
        List<(int Distance, string Name)> near = [];
        foreach (string candidate in candidates.Take(MostCandidates))
        {
            if (candidate.Length > LongestName)
                continue;
            int distance = Distance(name, candidate);
            bool begins = name.Length >= 3 && candidate.StartsWith(name, StringComparison.OrdinalIgnoreCase);
            int longest = Math.Max(name.Length, candidate.Length);
            if (begins || (distance <= Math.Max(1, longest / 3) && distance < longest))
                near.Add((distance, candidate));
        }
        near.Sort((a, b) => a.Distance != b.Distance ? a.Distance.CompareTo(b.Distance) : string.CompareOrdinal(a.Name, b.Name));
        return [.. near.Take(most).Select(n => n.Name)];
    }

    /// <summary>A sentence ending such as "; did you mean 'a' or 'b'?", or nothing where no name is near.</summary>
    public static string Hint(string name, IEnumerable<string> candidates)
    {
        IReadOnlyList<string> near = Of(name, candidates);
        return near.Count == 0 ? "" : $"; did you mean {string.Join(" or ", near.Select(n => $"'{Echo.Name(n)}'"))}?";
    }

    /// <summary>Insertions, deletions, replacements and swaps of neighbours (optimal string alignment), case aside.</summary>
    private static int Distance(string a, string b)
    {
        int[] above = new int[b.Length + 1], row = new int[b.Length + 1], next = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
            row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            next[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int cost = Math.Min(Math.Min(row[j], next[j - 1]) + 1, row[j - 1] + (Same(a[i - 1], b[j - 1]) ? 0 : 1));
                bool swapped = i > 1 && j > 1 && Same(a[i - 1], b[j - 2]) && Same(a[i - 2], b[j - 1]);
                next[j] = swapped ? Math.Min(cost, above[j - 2] + 1) : cost;
            }
            (above, row, next) = (row, next, above);
        }
        return row[b.Length];
    }

    private static bool Same(char a, char b) => char.ToLowerInvariant(a) == char.ToLowerInvariant(b);
}
