using System.Globalization;
using System.Text;

namespace Marrow.Host;

/// <summary>Foreign text made safe to show: control and format characters escaped, length capped.</summary>
internal static class Printable
{
    public static string Of(string text, int limit = 80)
    {
        var shown = new StringBuilder();
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (shown.Length >= limit)
                return shown.Append('…').ToString();
            bool hidden = Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
            if (hidden)
                shown.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            else
                shown.Append(rune);
        }
        return shown.ToString();
    }
}
