using System.Text;

namespace Marrow.Formats.ChatTemplates;

/// <summary>What Python's text functions do where .NET's differ: which characters are white space, positions by code point.</summary>
internal static class PythonText
{
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    public static string Strip(string text, string? characters = null) => StripStart(StripEnd(text, characters), characters);

    public static string StripStart(string text, string? characters = null)
    {
        int start = 0;
        while (start < text.Length && Belongs(text[start], characters))
            start++;
        return text[start..];
    }

    public static string StripEnd(string text, string? characters = null)
    {
        int end = text.Length;
        while (end > 0 && Belongs(text[end - 1], characters))
            end--;
        return text[..end];
    }

    /// <summary>The code points, each as a text.</summary>
    public static List<object?> Characters(string text)
    {
        var characters = new List<object?>(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            characters.Add(text.Substring(i, pair ? 2 : 1));
            if (pair)
                i++;
        }
        return characters;
    }

    public static int Length(string text)
    {
        int pairs = 0;
        for (int i = 0; i + 1 < text.Length; i++)
            if (char.IsSurrogatePair(text[i], text[i + 1]))
                pairs++;
        return text.Length - pairs;
    }

    /// <summary>Words at runs of white space.</summary>
    public static List<object?> Words(string text)
    {
        var words = new List<object?>();
        for (int i = 0; i < text.Length;)
        {
            int start = i;
            bool space = IsSpace(text[i]);
            while (i < text.Length && IsSpace(text[i]) == space)
                i++;
            if (!space)
                words.Add(text[start..i]);
        }
        return words;
    }

    /// <summary>Upper case at the start of every run of letters, lower case inside.</summary>
    public static string Title(string text)
    {
        var title = new StringBuilder(text.Length);
        bool inWord = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            title.Append((inWord ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune)).ToString());
            inWord = Rune.IsLetter(rune);
        }
        return title.ToString();
    }

    public static string Capitalize(string text) =>
        text.Length == 0 ? text : text[..1].ToUpperInvariant() + text[1..].ToLowerInvariant();

    private static bool Belongs(char c, string? characters) => characters is null ? IsSpace(c) : characters.Contains(c, StringComparison.Ordinal);
}
