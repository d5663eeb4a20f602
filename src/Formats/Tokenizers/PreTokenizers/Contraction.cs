namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary><c>'s|'t|'re|'ve|'m|'ll|'d</c></summary>
internal static class Contraction
{
    /// <summary>The length of the contraction that <paramref name="text"/> starts with, or 0.</summary>
    public static int Length(ReadOnlySpan<char> text, bool ignoreCase)
    {
        if (text.Length < 2 || text[0] != '\'')
            return 0;
        char first = Fold(text[1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (text.Length < 3)
            return 0;
        return (first, Fold(text[2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    // U+017F is the one other character that folds to a letter of the list.
    private static char Fold(char c, bool ignoreCase) => !ignoreCase ? c : c == '\u017F' ? 's' : char.ToLowerInvariant(c);
}
