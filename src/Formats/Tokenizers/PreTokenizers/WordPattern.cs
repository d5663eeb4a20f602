using System.Text;

namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary><c>\w+|[^\w\s]+</c></summary>
internal sealed class WordPattern : IPattern
{
    public void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            Rune first = Characters.At(text, at);
            bool space = Rune.IsWhiteSpace(first), word = Characters.IsWord(first);
            while (at < text.Length && Characters.At(text, at) is var rune && Rune.IsWhiteSpace(rune) == space && Characters.IsWord(rune) == word)
                at += rune.Utf16SequenceLength;
            if (!space)
                matches.Add((start, at - start));
        }
    }
}
