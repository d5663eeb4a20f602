namespace Marrow.Host;

/// <summary>Finds the word that was probably meant.</summary>
internal static class NearestMatch
{
    /// <summary>The closest of <paramref name="candidates"/>, or null when none is near: at most a third of the letters differ, or one begins the other.</summary>
    public static string? Find(string word, IEnumerable<string> candidates)
    {
        if (word.Length > 64)
            return null;
        string? best = null;
        int bestDistance = int.MaxValue;
        foreach (string candidate in candidates)
        {
            int distance = Distance(word, candidate);
            bool begins = word.Length >= 3 && candidate.StartsWith(word, StringComparison.OrdinalIgnoreCase);
            int allowed = begins ? int.MaxValue : Math.Max(1, Math.Max(word.Length, candidate.Length) / 3);
            if (distance <= allowed && distance < bestDistance && distance < candidate.Length)
                (best, bestDistance) = (candidate, distance);
        }
        return best;
    }

    /// <summary>Edits between two words (insert, delete, replace, swap of neighbours), ignoring case.</summary>
    private static int Distance(string a, string b)
    {
        var cost = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
            cost[i, 0] = i;
        for (int j = 0; j <= b.Length; j++)
            cost[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = cost[i - 1, j - 1] + (Same(a[i - 1], b[j - 1]) ? 0 : 1);
                int best = Math.Min(replaced, Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1);
                if (i > 1 && j > 1 && Same(a[i - 1], b[j - 2]) && Same(a[i - 2], b[j - 1]))
                    best = Math.Min(best, cost[i - 2, j - 2] + 1);
                cost[i, j] = best;
            }
        return cost[a.Length, b.Length];
    }

    private static bool Same(char a, char b) => char.ToLowerInvariant(a) == char.ToLowerInvariant(b);
}
