using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>
/// A pattern that is none of the known ones, run by .NET's engine under a time limit. Its character classes see UTF-16
/// units, so it runs over a copy of the text in which one unit of the same general category stands for each code point
/// beyond U+FFFF.
/// </summary>
internal sealed class RegexPattern : IPattern
{
    private static readonly TimeSpan MatchLimit = TimeSpan.FromSeconds(0.5);

    private readonly Regex _regex;

    /// <exception cref="ArgumentException">The expression uses what .NET does not know, or names characters beyond U+FFFF.</exception>
    public RegexPattern(string pattern)
    {
        if (pattern.Any(char.IsSurrogate))
            throw new ArgumentException("it names characters beyond U+FFFF");
        // In the Ruby syntax that the tokenizers library uses, ^ and $ always mean lines.
        _regex = new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.Multiline, MatchLimit);
    }

    public void Find(ReadOnlySpan<char> text, List<(int Start, int Length)> matches)
    {
        int[]? starts = null;
        if (text.ContainsAnyInRange('\uD800', '\uDFFF'))
            text = OneUnitEach(text, out starts);
        try
        {
            foreach (ValueMatch match in _regex.EnumerateMatches(text))
            {
                if (match.Length == 0)
                    continue;
                int end = match.Index + match.Length;
                matches.Add(starts is null ? (match.Index, match.Length) : (starts[match.Index], starts[end] - starts[match.Index]));
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new MarrowException("TK004", $"The regular expression {Echo.Quote(_regex.ToString())} of the tokenizer took more than {MatchLimit.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s for one match; use a tokenizer with a simpler pattern or cut the text into shorter ones.", e);
        }
    }

    private static ReadOnlySpan<char> OneUnitEach(ReadOnlySpan<char> text, out int[] starts)
    {
        var units = new char[text.Length];
        starts = new int[text.Length + 1];
        int count = 0, at = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            starts[count] = at;
            units[count++] = rune.IsBmp ? (char)rune.Value : OfSameCategory(Rune.GetUnicodeCategory(rune));
            at += rune.Utf16SequenceLength;
        }
        starts[count] = at;
        return units.AsSpan(0, count);
    }

    // Rarely named in patterns, so that they behave as an unlisted member of their category.
    private static char OfSameCategory(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\u2C00',
        UnicodeCategory.LowercaseLetter => '\u2C30',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA717',
        UnicodeCategory.OtherLetter => '\uA000',
        UnicodeCategory.NonSpacingMark => '\uFE20',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.EnclosingMark => '\u20DD',
        UnicodeCategory.DecimalDigitNumber => '\uA620',
        UnicodeCategory.LetterNumber => '\uA6E6',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.ConnectorPunctuation => '\u2054',
        UnicodeCategory.DashPunctuation => '\u2E3A',
        UnicodeCategory.OpenPunctuation => '\u2E22',
        UnicodeCategory.ClosePunctuation => '\u2E23',
        UnicodeCategory.InitialQuotePunctuation => '\u2E02',
        UnicodeCategory.FinalQuotePunctuation => '\u2E03',
        UnicodeCategory.OtherPunctuation => '\uA6F2',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\uA828',
        UnicodeCategory.Format => '\u2061',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFFFE',
    };
}
