using System.Text;

namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Every single character of a kind.</summary>
internal sealed class RunePattern(Func<Rune, bool> belongs) : IPattern
{
    public void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        int at = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (belongs(rune))
                matches.Add((at, rune.Utf16SequenceLength));
            at += rune.Utf16SequenceLength;
        }
    }
}
