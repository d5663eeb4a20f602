namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>
/// The pattern of Llama 3 (numbers of up to three digits) and Qwen 2 (single digits) by hand:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,k}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c> (spec/formats.md §7.4).
/// </summary>
internal sealed class Llama3Pattern(int digits) : IPattern
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

    private int MatchLength(ReadOnlySpan<char> text)
    {
        int contraction = Contraction.Length(text, ignoreCase: true);
        if (contraction > 0)
            return contraction;

        CharacterClass first = Characters.ClassAt(text, 0, out int length);
        if (first == CharacterClass.Letter)
            return Runs.OfClass(text, length, CharacterClass.Letter);
        if (first == CharacterClass.Number)
            return Runs.OfClass(text, length, CharacterClass.Number, digits - 1);
        if (text[0] is not ('\r' or '\n') && length < text.Length && Characters.ClassAt(text, length, out _) == CharacterClass.Letter)
            return Runs.OfClass(text, length, CharacterClass.Letter);

        int signs = text[0] == ' ' ? 1 : 0;
        int end = Runs.OfClass(text, signs, CharacterClass.Other);
        if (end > signs)
        {
            while (end < text.Length && text[end] is ('\r' or '\n'))
                end++;
            return end;
        }

        int spaces = Runs.OfClass(text, 0, CharacterClass.Space);
        int lastBreak = text[..spaces].LastIndexOfAny('\r', '\n');
        return lastBreak >= 0 ? lastBreak + 1 : Runs.Spaces(text);
    }
}
