namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary><c>\s+$</c>, where <c>$</c> also stands before a line feed, in one pass instead of one for every space.</summary>
internal sealed class TrailingSpacesPattern : IPattern
{
    public void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        for (int at = 0; at < text.Length;)
        {
            int end = Runs.OfClass(text, at, CharacterClass.Space);
            int length = end == text.Length ? end - at : text[at..end].LastIndexOf('\n');
            if (length > 0)
                matches.Add((at, length));
            at = end > at ? end : at + Characters.At(text, at).Utf16SequenceLength;
        }
    }
}
