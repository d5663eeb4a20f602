using System.Globalization;
using System.Text;

namespace Marrow.Formats.Tokenizers.Normalizers;

/// <summary>StripAccents: drops combining marks (category M); a decomposition normally stands before it.</summary>
internal sealed class StripAccentsNormalizer : ITextNormalizer
{
    public string Normalize(string text)
    {
        var kept = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark))
                kept.Append(rune.ToString());
        }
        return kept.ToString();
    }
}
