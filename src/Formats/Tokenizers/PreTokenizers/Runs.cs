namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Runs of characters that the known patterns share.</summary>
internal static class Runs
{
    /// <summary>Where the run of <paramref name="kind"/> that starts at <paramref name="at"/> ends, after at most <paramref name="most"/> characters.</summary>
    public static int OfClass(ReadOnlySpan<char> text, int at, CharacterClass kind, int most = int.MaxValue)
    {
        while (most-- > 0 && at < text.Length && Characters.ClassAt(text, at, out int length) == kind)
            at += length;
        return at;
    }

    /// <summary><c>\s+(?!\S)|\s+</c> at the start of <paramref name="text"/>: all the white space, less its last character where text follows.</summary>
    public static int Spaces(ReadOnlySpan<char> text)
    {
        int end = OfClass(text, 0, CharacterClass.Space);
        return end < text.Length && end > 1 ? end - 1 : end;
    }
}
