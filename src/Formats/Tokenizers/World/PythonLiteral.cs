using System.Globalization;
using System.Text;

namespace Marrow.Formats.Tokenizers.World;

/// <summary>
/// Reads and writes the string and bytes literals of a World vocabulary (spec/formats.md §5.1): '…', "…", b'…', b"…" with the escapes
/// \\ \' \" \n \r \t \xHH and, in strings, \uHHHH and \UHHHHHHHH. Nothing else of Python is understood, let alone run.
/// </summary>
internal static class PythonLiteral
{
    /// <summary>
    /// Puts the bytes that <paramref name="literal"/> (valid UTF-8) stands for into <paramref name="bytes"/>, which must be as long as the
    /// literal: a string's characters as UTF-8, a bytes literal's bytes as they are. Null, or code and reason of the refusal.
    /// </summary>
    public static (string Code, string Reason)? Read(ReadOnlySpan<byte> literal, Span<byte> bytes, out int count)
    {
        count = 0;
        bool raw = literal is [(byte)'b', ..];
        ReadOnlySpan<byte> rest = raw ? literal[1..] : literal;
        if (rest is not [(byte)'\'' or (byte)'"', ..])
            return ("RV004", "is not a string or bytes literal; nothing else is read here");
        byte quote = rest[0];
        for (int at = 1; at < rest.Length;)
        {
            byte b = rest[at];
            if (b == quote)
                return at == rest.Length - 1 ? null : ("RV002", "goes on after its closing quote");
            if (raw && b > 0x7F)
                return ("RV003", "is a bytes literal with a character beyond ASCII; such bytes are written \\xHH");
            if (b != (byte)'\\')
            {
                bytes[count++] = b;
                at++;
                continue;
            }
            if (Escape(rest[(at + 1)..], raw, bytes[count..], out int written) is not { } taken)
                return ("RV003", $"has an escape that is not known or not whole, at {Echo.Quote(Encoding.UTF8.GetString(rest.Slice(at, Math.Min(10, rest.Length - at))))}");
            count += written;
            at += 1 + taken;
        }
        return ("RV002", "is not closed");
    }

    /// <summary>The bytes of the escape after the backslash, and how many characters it takes; null where there is none.</summary>
    private static int? Escape(ReadOnlySpan<byte> text, bool raw, Span<byte> bytes, out int written)
    {
        written = 1;
        switch (text.Length == 0 ? (byte)0 : text[0])
        {
            case (byte)'\\' or (byte)'\'' or (byte)'"':
                bytes[0] = text[0];
                return 1;
            case (byte)'n':
                bytes[0] = (byte)'\n';
                return 1;
            case (byte)'r':
                bytes[0] = (byte)'\r';
                return 1;
            case (byte)'t':
                bytes[0] = (byte)'\t';
                return 1;
            case (byte)'x' when raw && Hex(text, 2) is { } value:
                bytes[0] = (byte)value;
                return 3;
            case (byte)'x' when !raw && Hex(text, 2) is { } value:
                written = new Rune(value).EncodeToUtf8(bytes);
                return 3;
            case (byte)'u' when !raw && Hex(text, 4) is { } value && Rune.TryCreate(value, out Rune rune):
                written = rune.EncodeToUtf8(bytes);
                return 5;
            case (byte)'U' when !raw && Hex(text, 8) is { } value && Rune.TryCreate(value, out Rune rune):
                written = rune.EncodeToUtf8(bytes);
                return 9;
            default:
                return null;
        }
    }

    private static uint? Hex(ReadOnlySpan<byte> text, int digits) =>
        text.Length > digits && uint.TryParse(text.Slice(1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value) ? value : null;

    /// <summary>The literal of bytes as Python writes it: a string where they are UTF-8, a bytes literal otherwise.</summary>
    public static string Write(ReadOnlySpan<byte> bytes)
    {
        bool raw = !System.Text.Unicode.Utf8.IsValid(bytes);
        char quote = bytes.Contains((byte)'\'') && !bytes.Contains((byte)'"') ? '"' : '\'';
        var text = new StringBuilder(raw ? "b" : "").Append(quote);
        while (!bytes.IsEmpty)
        {
            int length = 1;
            Rune rune = new(bytes[0] & 0x7F);
            if (!raw)
                _ = Rune.DecodeFromUtf8(bytes, out rune, out length);
            if (raw && bytes[0] > 0x7F)
                text.Append(CultureInfo.InvariantCulture, $"\\x{bytes[0]:x2}");
            else if (rune.Value == quote || rune.Value == '\\')
                text.Append('\\').Append((char)rune.Value);
            else if (rune.Value is '\t' or '\n' or '\r')
                text.Append('\\').Append(rune.Value == '\t' ? 't' : rune.Value == '\n' ? 'n' : 'r');
            else if (rune.Value == ' ' || IsPrintable(rune))
                text.Append(rune.ToString());
            else if (rune.Value < 0x100)
                text.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}");
            else if (rune.IsBmp)
                text.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            else
                text.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}");
            bytes = bytes[length..];
        }
        return text.Append(quote).ToString();
    }

    private static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
        or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
}
