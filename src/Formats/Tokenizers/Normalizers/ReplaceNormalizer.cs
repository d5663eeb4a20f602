using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers.Normalizers;

/// <summary>Replace: every match of a pattern becomes a fixed text.</summary>
internal sealed class ReplaceNormalizer(IPattern pattern, string content) : ITextNormalizer
{
    public string Normalize(string text)
    {
        var matches = new List<(int Start, int Length)>();
        pattern.Find(text, matches);
        if (matches.Count == 0)
            return text;
        var result = new System.Text.StringBuilder(text.Length);
        int done = 0;
        foreach ((int start, int length) in matches)
        {
            result.Append(text, done, start - done).Append(content);
            done = start + length;
        }
        return result.Append(text, done, text.Length - done).ToString();
    }
}
