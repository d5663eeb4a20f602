using System.Text;

namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary><c>\s?[set]+</c>, by hand over code points; the white space and the repetition are optional parts of the pattern.</summary>
internal sealed class RuneSetPattern(RuneSet set, bool spaceBefore, bool repeated) : IPattern
{
    /// <summary>The pattern of a regular expression of this form; null for any other.</summary>
    public static RuneSetPattern? Read(string regex, out string canonical)
    {
        ReadOnlySpan<char> rest = regex;
        bool space = rest.StartsWith(@"\s?", StringComparison.Ordinal);
        rest = rest[(space ? 3 : 0)..];
        RuneSet? set = RuneSet.Read(ref rest);
        bool repeated = rest is ['+'];
        canonical = "";
        if (set is null || !(repeated || rest.IsEmpty))
            return null;
        canonical = $"{(space ? @"\s?" : "")}[{set.Canonical}]{(repeated ? "+" : "")}";
        return new RuneSetPattern(set, space, repeated);
    }

    public void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        for (int at = 0; at < text.Length;)
        {
            Rune rune = Characters.At(text, at);
            int body = at;
            if (spaceBefore && Rune.IsWhiteSpace(rune) && BelongsAt(text, at + rune.Utf16SequenceLength))
                body += rune.Utf16SequenceLength;
            int end = body;
            while (BelongsAt(text, end) && (repeated || end == body))
                end += Characters.At(text, end).Utf16SequenceLength;
            if (end > body)
                matches.Add((at, end - at));
            at = Math.Max(end, at + rune.Utf16SequenceLength);
        }
    }

    private bool BelongsAt(ReadOnlySpan<char> text, int at) => at < text.Length && set.Contains(Characters.At(text, at));
}
