namespace Marrow.Formats;

/// <summary>Finds what a misspelt name may have meant.</summary>
public static class NearNames
{
    private const int MostCandidates = 5000;
    private const int LongestName = 256;

    /// <summary>Up to <paramref name="most"/> candidates by edit distance (Levenshtein), nearest first; those that share too little are left out.</summary>
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
            if (distance <= Math.Max(2, Math.Max(name.Length, candidate.Length) / 3))
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

    private static int Distance(string a, string b)
    {
        int[] row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
            row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
