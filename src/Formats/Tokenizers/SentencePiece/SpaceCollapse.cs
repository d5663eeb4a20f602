using System.Text;
using Marrow.Formats.Tokenizers.Normalizers;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>Sentencepiece's remove_extra_whitespaces: no spaces at the ends, and one where there are several.</summary>
internal sealed class SpaceCollapse : ITextNormalizer
{
    public string Normalize(string text)
    {
        var kept = new StringBuilder(text.Length);
        foreach (char c in text.AsSpan().Trim(' '))
            if (c != ' ' || kept[^1] != ' ')
                kept.Append(c);
        return kept.ToString();
    }
}
