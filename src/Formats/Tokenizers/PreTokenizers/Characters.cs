using System.Globalization;
using System.Text;

namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Character classes of the pre-tokeniser patterns, over code points so that those beyond U+FFFF count too (spec/formats.md §7.4).</summary>
internal static class Characters
{
    /// <summary>The code point at <paramref name="at"/>; the text is well-formed.</summary>
    public static Rune At(ReadOnlySpan<char> text, int at)
    {
        char c = text[at];
        return char.IsSurrogate(c) ? new Rune(c, text[at + 1]) : new Rune(c);
    }

    public static CharacterClass ClassAt(ReadOnlySpan<char> text, int at, out int length)
    {
        Rune rune = At(text, at);
        length = rune.Utf16SequenceLength;
        if (rune.IsAscii)
        {
            int value = rune.Value;
            if (char.IsAsciiLetter((char)value))
                return CharacterClass.Letter;
            if (char.IsAsciiDigit((char)value))
                return CharacterClass.Number;
            return value is 32 or >= 9 and <= 13 ? CharacterClass.Space : CharacterClass.Other;
        }
        if (IsNumber(rune))
            return CharacterClass.Number;
        if (Rune.IsLetter(rune))
            return CharacterClass.Letter;
        return Rune.IsWhiteSpace(rune) ? CharacterClass.Space : CharacterClass.Other;
    }

    /// <summary>Category N.</summary>
    public static bool IsNumber(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    /// <summary>Category P and the ASCII symbols.</summary>
    public static bool IsPunctuation(Rune rune) =>
        Rune.IsPunctuation(rune) || (rune.IsAscii && Rune.IsSymbol(rune));

    /// <summary>Oniguruma's <c>\w</c>: letters, marks, decimal digits, connectors.</summary>
    public static bool IsWord(Rune rune) => Rune.IsLetter(rune) || Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark or
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation;
}

/// <summary>What <c>\p{L}</c>, <c>\p{N}</c>, <c>\s</c> and the rest say of a character.</summary>
internal enum CharacterClass
{
    Other,
    Letter,
    Number,
    Space,
}
