using System.Globalization;
using System.Text;

namespace Marrow.Formats;

/// <summary>Makes text that came from a file fit to stand in a message.</summary>
public static class Echo
{
    /// <summary>The text with control characters and lone surrogates escaped, cut to <paramref name="longest"/> characters.</summary>
    public static string Name(string text, int longest = 120)
    {
        StringBuilder shown = new();
        int i = 0;
        while (i < text.Length && shown.Length < longest)
        {
            bool whole = Rune.TryGetRuneAt(text, i, out Rune rune);
            if (whole && !Hidden(rune))
                shown.Append(text, i, rune.Utf16SequenceLength);
            else
                shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[i]:X4}");
            i += whole && !Hidden(rune) ? rune.Utf16SequenceLength : 1;
        }
        return i < text.Length ? $"{shown}…" : shown.ToString();
    }

    /// <summary>A short piece of a file's text, escaped and in quotes.</summary>
    public static string Quote(string text) => $"'{Name(text, 60)}'";

    /// <summary>What a parser of the runtime says against a file, fit for one line: such messages quote the rest of the file.</summary>
    public static string Reason(Exception fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        const int LongestQuote = 40;
        string text = fault.Message;
        int end = text.LastIndexOf("' ", StringComparison.Ordinal);
        if (text.StartsWith('\'') && end > LongestQuote)
            text = $"{text[..LongestQuote]}…{text[end..]}";
        return Name(text, 300);
    }

    // Format characters can reorder a terminal's line, so that a name reads as another.
    private static bool Hidden(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
