using System.Globalization;
using System.Text;

namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>
/// A set of characters as a bracket expression writes it: characters, ranges and <c>\p{…}</c> of general categories, over code points, so that those
/// beyond U+FFFF count too.
/// </summary>
internal sealed class RuneSet
{
    private readonly List<(int First, int Last)> _ranges = [];
    private uint _categories;

    private RuneSet()
    {
    }

    /// <summary>The set in words of its own, the same for every way to write it.</summary>
    public string Canonical
    {
        get
        {
            var text = new StringBuilder();
            for (int category = 0; category < 30; category++)
                if ((_categories >> category & 1) != 0)
                    text.Append(CultureInfo.InvariantCulture, $"{(UnicodeCategory)category},");
            foreach ((int first, int last) in _ranges)
                text.Append(CultureInfo.InvariantCulture, $"{first:X}-{last:X},");
            return text.ToString();
        }
    }

    public bool Contains(Rune rune)
    {
        int low = 0, high = _ranges.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (rune.Value > _ranges[middle].Last)
                low = middle + 1;
            else if (rune.Value < _ranges[middle].First)
                high = middle - 1;
            else
                return true;
        }
        return _categories != 0 && (_categories >> (int)Rune.GetUnicodeCategory(rune) & 1) != 0;
    }

    /// <summary>Reads <c>[…]</c> or <c>\p{…}</c> at the start of <paramref name="pattern"/>; null, and nothing taken, where it is anything else or negated.</summary>
    public static RuneSet? Read(ref ReadOnlySpan<char> pattern)
    {
        var set = new RuneSet();
        ReadOnlySpan<char> rest = pattern;
        if (set.TryTakeCategory(ref rest))
        {
            pattern = rest;
            return set;
        }
        if (rest is not ['[', not ('^' or ']'), ..])
            return null;
        rest = rest[1..];
        while (rest is not [] and not [']', ..])
        {
            if (set.TryTakeCategory(ref rest))
                continue;
            if (TakeCharacter(ref rest) is not { } first)
                return null;
            int last = first;
            if (rest is ['-', not ']', ..])
            {
                rest = rest[1..];
                if (TakeCharacter(ref rest) is not { } end || end < first)
                    return null;
                last = end;
            }
            set._ranges.Add((first, last));
        }
        if (rest.IsEmpty)
            return null;
        set.JoinRanges();
        pattern = rest[1..];
        return set;
    }

    private bool TryTakeCategory(ref ReadOnlySpan<char> rest)
    {
        int close = rest.StartsWith("\\p{", StringComparison.Ordinal) ? rest.IndexOf('}') : -1;
        uint mask = close is 4 or 5 ? Mask(rest[3..close]) : 0;
        if (mask == 0)
            return false;
        _categories |= mask;
        rest = rest[(close + 1)..];
        return true;
    }

    /// <summary>A character or an escape that means one; null for classes and what else brackets may hold.</summary>
    private static int? TakeCharacter(ref ReadOnlySpan<char> rest)
    {
        if (rest is ['\\', ..])
        {
            char escaped = rest.Length > 1 ? rest[1] : '\0';
            int value = escaped switch { 't' => '\t', 'n' => '\n', 'r' => '\r', _ => char.IsAscii(escaped) && !char.IsAsciiLetterOrDigit(escaped) && escaped > ' ' ? escaped : -1 };
            rest = rest[Math.Min(2, rest.Length)..];
            return value < 0 ? null : value;
        }
        // Nested brackets and && are operators in the Ruby syntax.
        if (rest is ['[', ..] or ['&', '&', ..] || Rune.DecodeFromUtf16(rest, out Rune rune, out int length) != System.Buffers.OperationStatus.Done)
            return null;
        rest = rest[length..];
        return rune.Value;
    }

    private void JoinRanges()
    {
        _ranges.Sort();
        int count = 0;
        foreach ((int first, int last) in _ranges.ToArray())
        {
            if (count > 0 && first <= _ranges[count - 1].Last + 1)
                _ranges[count - 1] = (_ranges[count - 1].First, Math.Max(last, _ranges[count - 1].Last));
            else
                _ranges[count++] = (first, last);
        }
        _ranges.RemoveRange(count, _ranges.Count - count);
    }

    private static uint Mask(ReadOnlySpan<char> name)
    {
        uint mask = 0;
        for (int category = 0; category < 30; category++)
            if (Abbreviations.AsSpan(2 * category, 2).StartsWith(name, StringComparison.Ordinal))
                mask |= 1u << category;
        return mask;
    }

    // In the order of UnicodeCategory; a first letter alone means all that begin with it.
    private const string Abbreviations = "LuLlLtLmLoMnMcMeNdNlNoZsZlZpCcCfCsCoPcPdPsPePiPfPoSmScSkSoCn";
}
