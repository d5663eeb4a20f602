using System.Globalization;
using System.Text;
using Marrow.Formats.ChatTemplates;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.World;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>RWKV World, tokenizer.ggml.model "rwkv": tokens are bytes in the way that Python prints them (spec/formats.md §7.7).</summary>
internal static class GgufWorld
{
    /// <summary>The value of tokenizer.chat_template that means the World chat form.</summary>
    public const string ChatForm = "rwkv-world";

    public static ModelTokenizer Read(GgufMetadata values)
    {
        GgufVocabulary vocabulary = GgufVocabulary.Read(values);
        var tokenizer = new WorldTokenizer(Tokens(values, vocabulary), vocabulary.Tokens.Texts[WorldTokenizer.EndOfText]);
        foreach (string key in (ReadOnlySpan<string>)[TokenizerKeys.Bos, TokenizerKeys.Eos])
            if (vocabulary.Id(key) is { } id and not WorldTokenizer.EndOfText)
                throw values.Error("GV005", key, $"is {id}, but 0 starts and ends the texts of a World vocabulary; correct the metadata");
        return new ModelTokenizer(tokenizer, vocabulary.StopIds(WorldTokenizer.EndOfText), vocabulary.Id(TokenizerKeys.Padding) ?? WorldTokenizer.EndOfText,
            unkId: null, Template(values, tokenizer.EndText))
        {
            Warnings = tokenizer.Warnings,
        };
    }

    /// <summary>The tokens as bytes; the end of a text and rows without a meaning have none.</summary>
    /// <exception cref="ModelFileException">GV004 an escape that is not known; RV007, RV009 a token too long, or twice.</exception>
    public static WorldVocabulary Tokens(GgufMetadata values, GgufVocabulary vocabulary)
    {
        var tokens = new byte[vocabulary.Tokens.CountWithoutPadding][];
        for (int id = 0; id < tokens.Length; id++)
        {
            bool spelt = vocabulary.Tokens.Types[id] is TokenType.Normal or TokenType.Byte or TokenType.UserDefined;
            tokens[id] = !spelt || vocabulary.Bytes[id].Length == 0 ? []
                : Unescape(vocabulary.Bytes[id]) ?? throw values.Error("GV004", TokenizerKeys.Tokens,
                    $"has the token {id}, {Echo.Quote(vocabulary.Tokens.Texts[id])}, with an escape that is not whole; \\xHH with two hex digits and \\\\ are expected");
        }
        return WorldVocabulary.Of(values.Path, tokens);
    }

    /// <summary>The bytes as Python prints them, in ASCII.</summary>
    public static string Escape(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (byte b in bytes)
        {
            switch (b)
            {
                case (byte)'\t':
                    text.Append("\\t");
                    break;
                case (byte)'\n':
                    text.Append("\\n");
                    break;
                case (byte)'\r':
                    text.Append("\\r");
                    break;
                case (byte)'\\':
                    text.Append("\\\\");
                    break;
                case >= 0x20 and < 0x7F:
                    text.Append((char)b);
                    break;
                default:
                    text.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}");
                    break;
            }
        }
        return text.ToString();
    }

    private static byte[]? Unescape(ReadOnlySpan<byte> text)
    {
        var bytes = new List<byte>(text.Length);
        while (!text.IsEmpty)
        {
            if (text is not [(byte)'\\', ..])
            {
                bytes.Add(text[0]);
                text = text[1..];
                continue;
            }
            if (text.Length == 1)
                return null;
            byte escaped = text[1];
            text = text[2..];
            if (escaped == 'x')
            {
                if (text.Length < 2 || !byte.TryParse(text[..2], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
                    return null;
                bytes.Add(value);
                text = text[2..];
                continue;
            }
            bytes.Add(escaped switch { (byte)'t' => (byte)'\t', (byte)'n' => (byte)'\n', (byte)'r' => (byte)'\r', _ => escaped });
        }
        return [.. bytes];
    }

    private static WorldChatTemplate Template(GgufMetadata values, string endText) => values.Text(TokenizerKeys.ChatTemplate) is { } source and not ChatForm
        ? new WorldChatTemplate(new JinjaChatTemplate(source, values.Path, new Dictionary<string, string> { ["bos_token"] = endText, ["eos_token"] = endText }))
        : WorldChatTemplate.BuiltIn(endText);
}
