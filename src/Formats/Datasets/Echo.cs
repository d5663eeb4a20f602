using System.Globalization;
using System.Text;

namespace Marrow.Formats.Datasets;

/// <summary>Text from a file as it may stand in a message: quoted, escaped, capped.</summary>
internal static class Echo
{
    private const int Cap = 60;

    public static string Quote(string text)
    {
        var quoted = new StringBuilder("'");
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, Cap)))
        {
            if (char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029')
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                quoted.Append(c);
        }
        return quoted.Append(text.Length > Cap ? "…'" : "'").ToString();
    }
}
