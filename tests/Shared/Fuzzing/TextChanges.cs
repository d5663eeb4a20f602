using System.Text;

namespace Marrow.Tests;

/// <summary>Changes to JSON, YAML and templates that leave most of their structure: odd values, keys that come twice, deep nesting, words in wrong places.</summary>
internal sealed class TextChanges(string[] words)
{
    private static readonly byte[][] Values =
    [
        .. new[]
        {
            "null", "true", "\"x\"", "\"\"", "[]", "{}", "0", "-1", "-0", "1e308", "1e999", "-1e-999", "1.5", "9007199254740993", "NaN", "0x10", "[[]]", "{\"a\":{}}", "[null]", "[1,2,3]",
            "2147483647", "2147483648", "-2147483648", "4294967296", "16777216", "9223372036854775807", "18446744073709551616", "\"\\ud800\"", "\"\\u0000\"", "\"\u202e\"", "\"../x\"", "\"/dev/zero\"", "\"(a+)+$\"", "\"[\"",
        }.Select(Encoding.UTF8.GetBytes),
        Encoding.UTF8.GetBytes($"\"{new string('y', 5000)}\""),
    ];

    private static readonly int[] Depths = [1, 2, 7, 33, 65, 200, 3000];
    private static readonly (string Open, string Close)[] Brackets = [("[", "]"), ("{\"a\":", "}"), ("(", ")"), ("- ", ""), ("not ", ""), ("-", "")];
    private const int JsonBrackets = 2, JsonChanges = 7;

    private readonly byte[][] _words = [.. words.Select(Encoding.UTF8.GetBytes)];

    /// <summary>Makes one change behind a place.</summary>
    public void Change(List<byte> bytes, int at, Random random)
    {
        bool json = IsJson(bytes);
        if (json)
            at = NextPart(bytes, at);
        switch (random.Next(json ? JsonChanges : JsonChanges + 2))
        {
            case 0:
                (int start, int end) = Value(bytes, at);
                Replace(bytes, start, end, Values[random.Next(Values.Length)]);
                break;
            case 1:
                Nest(bytes, Value(bytes, at), random, json);
                break;
            case 2:
                // A value from elsewhere.
                (int from, int until) = Value(bytes, json ? NextPart(bytes, random.Next(bytes.Count)) : random.Next(bytes.Count));
                byte[] other = [.. bytes.GetRange(from, until - from)];
                (start, end) = Value(bytes, at);
                Replace(bytes, start, end, other);
                break;
            case 3:
                Rename(bytes, at, random.Next(bytes.Count));
                break;
            case 4:
                // A line, or what lies between commas, once more.
                (start, end) = Piece(bytes, at);
                bytes.InsertRange(end, bytes.GetRange(start, end - start));
                break;
            case 5:
                (start, end) = Piece(bytes, at);
                bytes.RemoveRange(start, end - start);
                break;
            case 6:
                (start, end) = json ? Quoted(bytes, at) ?? (at, at) : Word(bytes, at);
                Replace(bytes, start, end, _words[random.Next(_words.Length)]);
                break;
            case 7:
                bytes.InsertRange(at, _words[random.Next(_words.Length)]);
                break;
            default:
                (start, end) = Word(bytes, at);
                (int other0, int other1) = Word(bytes, random.Next(bytes.Count));
                Replace(bytes, start, end, [.. bytes.GetRange(other0, other1 - other0)]);
                break;
        }
    }

    private static void Replace(List<byte> bytes, int start, int end, byte[] with)
    {
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, with);
    }

    private static bool IsJson(List<byte> bytes) => bytes[0] == '{' || (bytes.Count > 8 && bytes[8] == '{');

    /// <summary>The place behind the next sign of JSON, so that most changes leave JSON.</summary>
    private static int NextPart(List<byte> bytes, int at)
    {
        int found = at;
        while (found < bytes.Count && bytes[found] is not ((byte)':' or (byte)',' or (byte)'[' or (byte)'{'))
            found++;
        return found + 1 < bytes.Count ? found + 1 : at;
    }

    private static void Nest(List<byte> bytes, (int Start, int End) value, Random random, bool json)
    {
        int depth = Depths[random.Next(Depths.Length)];
        (string open, string close) = Brackets[random.Next(json ? JsonBrackets : Brackets.Length)];
        if (random.Next(4) > 0)
            bytes.InsertRange(value.End, Encoding.ASCII.GetBytes(Repeat(close, depth)));
        bytes.InsertRange(value.Start, Encoding.ASCII.GetBytes(Repeat(open, depth)));
    }

    private static string Repeat(string text, int count) => new StringBuilder(text.Length * count).Insert(0, text, count).ToString();

    /// <summary>Gives a text in quotes the name of another.</summary>
    private static void Rename(List<byte> bytes, int at, int from)
    {
        if (Quoted(bytes, at) is var (start, end) && Quoted(bytes, from) is var (first, last))
            Replace(bytes, start, end, [.. bytes.GetRange(first, last - first)]);
    }

    private static (int Start, int End)? Quoted(List<byte> bytes, int at)
    {
        int start = bytes.IndexOf((byte)'"', at);
        if (start < 0)
            return null;
        int end = start + 1;
        while (end < bytes.Count && bytes[end] != '"')
            end += bytes[end] == '\\' ? 2 : 1;
        return end < bytes.Count ? (start, end + 1) : null;
    }

    /// <summary>The next value: a text, a group in brackets, or a word.</summary>
    private static (int Start, int End) Value(List<byte> bytes, int at)
    {
        while (at < bytes.Count && bytes[at] is (byte)' ' or (byte)':' or (byte)',' or (byte)'\n')
            at++;
        if (at >= bytes.Count)
            return (bytes.Count, bytes.Count);
        if (bytes[at] == '"')
            return Quoted(bytes, at) ?? (at, bytes.Count);
        if (bytes[at] is not ((byte)'[' or (byte)'{' or (byte)'('))
            return Word(bytes, at);
        int depth = 0, end = at;
        for (; end < bytes.Count; end++)
        {
            depth += bytes[end] switch { (byte)'[' or (byte)'{' or (byte)'(' => 1, (byte)']' or (byte)'}' or (byte)')' => -1, _ => 0 };
            if (depth == 0)
                return (at, end + 1);
        }
        return (at, end);
    }

    private static (int Start, int End) Word(List<byte> bytes, int at)
    {
        int end = at;
        while (end < bytes.Count && (char.IsAsciiLetterOrDigit((char)bytes[end]) || bytes[end] is (byte)'_' or (byte)'.' or (byte)'-'))
            end++;
        return (at, Math.Min(bytes.Count, Math.Max(end, at + 1)));
    }

    /// <summary>What lies between two line ends or commas, with the second.</summary>
    private static (int Start, int End) Piece(List<byte> bytes, int at)
    {
        int start = at, end = at;
        while (start > 0 && bytes[start - 1] is not ((byte)',' or (byte)'\n'))
            start--;
        while (end < bytes.Count && bytes[end] is not ((byte)',' or (byte)'\n'))
            end++;
        return (start, Math.Min(bytes.Count, end + 1));
    }
}
