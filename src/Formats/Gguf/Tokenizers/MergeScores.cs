using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>Merge lists and scores of tokens, one from the other (spec/formats.md §7.6).</summary>
internal static class MergeScores
{
    /// <summary>
    /// The score of a token is the negative of the lowest rank that makes it, so that merging by score goes in the order of the list; 0 where no merge is
    /// needed, and below all others where the list does not make a token of several characters. Notes tell where scores merge more than the list.
    /// </summary>
    public static Func<int, float> Of(Vocabulary vocabulary, List<(string Left, string Right)> merges, Func<int, bool> special, List<string> notes)
    {
        var ranks = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int rank = 0; rank < merges.Count; rank++)
            _ = ranks.TryAdd(merges[rank].Left + merges[rank].Right, rank);
        var listed = merges.ToHashSet();
        int more = 0;
        for (int id = 0; id < vocabulary.Size; id++)
            if (vocabulary.TryGetToken(id, out string? text) && !special(id) && TokenTable.ByteOf(text) is null)
                foreach ((string, string) split in Splits(text, part => vocabulary.TryGetId(part, out int known) && !special(known)))
                    more += listed.Contains(split) ? 0 : 1;
        if (more > 0)
            notes.Add($"scores also merge {more} pairs of tokens that the merge list of tokenizer.json leaves out; some texts may be cut otherwise by readers of GGUF");
        return id => !vocabulary.TryGetToken(id, out string? text) || special(id) || TokenTable.ByteOf(text) is not null || IsOneCharacter(text) ? 0
            : ranks.TryGetValue(text, out int rank) ? -rank : -merges.Count - 1;
    }

    /// <summary>
    /// The merges that a table of scores means: every token's splits into two, in the order of the scores, the highest first. Null where a list cannot say
    /// the same: tokens of equal scores merge from left to right, and tokens made of a character without token merge too. Runs of one character may have
    /// equal scores, as Llama's runs of spaces: where the longer merges first, a run also grows from the left.
    /// </summary>
    public static List<(string Left, string Right)>? ToMerges(TokenTable tokens, Vocabulary vocabulary)
    {
        bool IsNormal(ReadOnlySpan<char> part) => vocabulary.TryGetId(part, out int id) && tokens.Types[id] == TokenType.Normal;
        var merges = new List<(string, string)>();
        int[] order = [.. Enumerable.Range(0, tokens.Count).Where(id => tokens.Types[id] == TokenType.Normal && !IsOneCharacter(tokens.Texts[id])).OrderByDescending(id => tokens.Scores[id]).ThenByDescending(id => tokens.Texts[id].Length)];
        int? last = null;
        foreach (int id in order)
        {
            string text = tokens.Texts[id];
            // The list's parts stand with a space between them.
            if (text.Contains(' ', StringComparison.Ordinal))
                return null;
            int before = merges.Count;
            merges.AddRange(Splits(text, IsNormal));
            bool reachable = merges.Count > before;
            if (CouldBeMade(text, tokens, vocabulary) && text.EnumerateRunes().Any(rune => !IsNormal(rune.ToString())))
                return null;
            if (reachable && last is { } other && tokens.Scores[id] == tokens.Scores[other] && !AreRuns(text, tokens.Texts[other]))
                return null;
            last = reachable ? id : last;
        }
        return merges;
    }

    private static bool AreRuns(string one, string other) => !one.AsSpan().ContainsAnyExcept(one[0]) && !other.AsSpan().ContainsAnyExcept(one[0]);

    private static bool CouldBeMade(string text, TokenTable tokens, Vocabulary vocabulary)
    {
        for (int at = 1; at < text.Length; at++)
        {
            bool left = Part(text[..at]), right = Part(text[at..]);
            if (left && right)
                return true;
        }
        return false;

        bool Part(string part) => IsOneCharacter(part) || (vocabulary.TryGetId(part, out int id) && tokens.Types[id] == TokenType.Normal);
    }

    private static bool IsOneCharacter(string text) => text.Length == 1 || (text.Length == 2 && char.IsSurrogatePair(text[0], text[1]));

    private delegate bool IsPart(ReadOnlySpan<char> part);

    private static IEnumerable<(string Left, string Right)> Splits(string text, IsPart isPart)
    {
        for (int at = 1; at < text.Length; at++)
            if (isPart(text.AsSpan(0, at)) && isPart(text.AsSpan(at)))
                yield return (text[..at], text[at..]);
    }
}
