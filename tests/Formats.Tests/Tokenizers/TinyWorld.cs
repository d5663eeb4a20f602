using System.Globalization;
using System.Text;
using Marrow.Formats.Tokenizers.World;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>Small World vocabularies, written out as the published file is.</summary>
internal static class TinyWorld
{
    /// <summary>All 256 bytes as ids 1 to 256, then tokens that share beginnings.</summary>
    public static string Lines { get; } = WithBytes(
        "257 'ab' 2", "258 'abcd' 4", "259 'bc' 2", "260 ' a' 2", "261 '\\n\\n' 2", "262 \"'s\" 2", "263 'é' 2", "264 '\\xe9t' 3", "265 b'\\xc3\\xa9\\xff' 3",
        "266 '日本' 6", "267 'a b' 3", "268 '\\u0085' 2", "300 'aaaaaaaaaaaaaaaa' 16");

    public static WorldTokenizer Tokenizer { get; } = new(Read(Lines));

    public static WorldVocabulary Read(string lines) => WorldVocabulary.Parse("rwkv_vocab.txt", Encoding.UTF8.GetBytes(lines));

    private static string WithBytes(params string[] lines)
    {
        var text = new StringBuilder();
        for (int b = 0; b < 256; b++)
        {
            string literal = b >= 0x80 ? string.Create(CultureInfo.InvariantCulture, $"b'\\x{b:x2}'")
                : b is '\'' or '\\' ? $"'\\{(char)b}'"
                : b < ' ' ? string.Create(CultureInfo.InvariantCulture, $"'\\x{b:x2}'") : $"'{(char)b}'";
            text.Append(CultureInfo.InvariantCulture, $"{b + 1} {literal} 1\n");
        }
        return text.AppendJoin('\n', lines).Append('\n').ToString();
    }
}
