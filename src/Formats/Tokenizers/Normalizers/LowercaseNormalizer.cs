using System.Text;

namespace Marrow.Formats.Tokenizers.Normalizers;

/// <summary>Lowercase, character by character and without regard to language.</summary>
internal sealed class LowercaseNormalizer : ITextNormalizer
{
    public string Normalize(string text)
    {
        var lower = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            // The one character whose full lower case has two code points.
            if (rune.Value == 0x130)
                lower.Append("i\u0307");
            else
                lower.Append(Rune.ToLowerInvariant(rune).ToString());
        }
        return lower.ToString();
    }
}
