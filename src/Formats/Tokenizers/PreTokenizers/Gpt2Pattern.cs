namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>
/// GPT-2's pattern by hand:
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c> (spec/formats.md §7.4).
/// </summary>
internal sealed class Gpt2Pattern : IPattern
{
    public void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        for (int at = 0; at < text.Length;)
        {
            int end = at + MatchLength(text[at..]);
            matches.Add((at, end - at));
            at = end;
        }
    }

    private static int MatchLength(ReadOnlySpan<char> text)
    {
        int contraction = Contraction.Length(text, ignoreCase: false);
        if (contraction > 0)
            return contraction;
        int start = text[0] == ' ' && text.Length > 1 ? 1 : 0;
        CharacterClass kind = Characters.ClassAt(text, start, out _);
        return kind == CharacterClass.Space ? Runs.Spaces(text) : Runs.OfClass(text, start, kind);
    }
}
