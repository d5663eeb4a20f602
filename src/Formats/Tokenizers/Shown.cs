using System.Globalization;
using System.Text;

namespace Marrow.Formats.Tokenizers;

/// <summary>Names from a file as they may stand in a message: control characters escaped, length capped (spec/formats.md §0.9).</summary>
internal static class Shown
{
    private const int Longest = 120;

    public static string Name(ReadOnlySpan<char> name)
    {
        var text = new StringBuilder("'");
        foreach (char c in name[..Math.Min(name.Length, Longest)])
        {
            if (char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029' or '\uFEFF')
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            else
                text.Append(c);
        }
        return text.Append(name.Length > Longest ? "'..." : "'").ToString();
    }
}
