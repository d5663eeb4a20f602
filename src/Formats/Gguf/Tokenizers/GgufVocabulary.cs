using System.Globalization;
using System.Text;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.World;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>The vocabulary of a GGUF file with the checks of spec/formats.md §2.3: tokens, types, scores and the ids that have a role.</summary>
internal sealed class GgufVocabulary
{
    /// <summary>The most characters of a token, as of sentencepiece's pieces: every place where it can be cut in two is looked at.</summary>
    public const int LongestToken = 1024;

    // Found by text, since files seldom name them (spec/formats.md §7.2).
    private static readonly string[] EndTexts =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>", "<EOT>", "<end_of_utterance>",
        "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
    ];

    private readonly GgufMetadata _values;

    private GgufVocabulary(GgufMetadata values, byte[][] bytes, TokenTable tokens) => (_values, Bytes, Tokens) = (values, bytes, tokens);

    /// <summary>The tokens' bytes as they stand in the file.</summary>
    public byte[][] Bytes { get; }

    public TokenTable Tokens { get; }

    /// <summary>Reads and checks the arrays.</summary>
    /// <exception cref="ModelFileException">
    /// GV001 an array is missing, of another type or length, or holds what it may not; GV002 two tokens alike, or a special one too long; GV004 another one too long.
    /// </exception>
    public static GgufVocabulary Read(GgufMetadata values)
    {
        byte[][] bytes = Array<byte[]>(values, TokenizerKeys.Tokens, "strings", GgufType.String)
            ?? throw values.Error("GV001", TokenizerKeys.Tokens, "is missing; the file has no vocabulary, take the tokenizer's own files");
        int count = bytes.Length;
        if (count is 0 or > Vocabulary.LargestId)
            throw values.Error("GV001", TokenizerKeys.Tokens, $"has {count} tokens; 1 to {Vocabulary.LargestId} are allowed");
        double[] scores = OfLength(values, TokenizerKeys.Scores, Array<double>(values, TokenizerKeys.Scores, "F32 numbers", GgufType.F32), count) ?? new double[count];
        int wrong = System.Array.FindIndex(scores, s => !double.IsFinite(s));
        if (wrong >= 0)
            throw values.Error("GV001", TokenizerKeys.Scores, $"has no finite score for token {wrong}; the file is damaged");
        long[]? types = OfLength(values, TokenizerKeys.Types, Array<long>(values, TokenizerKeys.Types, "I32 numbers", GgufType.I32, GgufType.U32), count);
        // World spells a byte with up to four characters, and bounds the bytes itself.
        int longest = values.Text(TokenizerKeys.Model) == "rwkv" ? 4 * WorldVocabulary.LongestToken : LongestToken;
        var texts = new string[count];
        var known = new TokenType[count];
        var seen = new Dictionary<string, int>(count, StringComparer.Ordinal);
        for (int id = 0; id < count; id++)
        {
            texts[id] = bytes[id].Length > 0 ? TextOf(bytes[id]) : string.Create(CultureInfo.InvariantCulture, $"[EMPTY_{id}]");
            if (!seen.TryAdd(texts[id], id))
                throw values.Error("GV002", TokenizerKeys.Tokens, $"has {Echo.Quote(texts[id])} twice, as tokens {seen[texts[id]]} and {id}; the file is damaged or badly made, convert the model again");
            known[id] = types is null || types[id] == 0 ? TokenType.Normal
                : types[id] is >= 1 and <= 6 ? (TokenType)types[id]
                : throw values.Error("GV001", TokenizerKeys.Types, $"gives token {id} the type {types[id]}; 1 to 6 are known");
            if (known[id] == TokenType.Normal && EndTexts.Contains(texts[id]))
                known[id] = TokenType.Control;
            if (known[id] is TokenType.Control or TokenType.UserDefined && texts[id].Length > AddedToken.LongestContent)
                throw values.Error("GV002", TokenizerKeys.Tokens, $"has a special token, {id}, of {texts[id].Length} characters; at most {AddedToken.LongestContent} are allowed");
            if (texts[id].Length > longest)
                throw values.Error("GV004", TokenizerKeys.Tokens, $"has a token, {id}, of {texts[id].Length} characters; at most {longest} are allowed");
        }
        return new GgufVocabulary(values, bytes, new TokenTable(texts, known, System.Array.ConvertAll(scores, s => (float)s)));
    }

    /// <summary>The id that a key names; null where the file does not name one.</summary>
    /// <exception cref="ModelFileException">GV005 it is not the id of a token.</exception>
    public int? Id(string key)
    {
        // llama.cpp's converter of llama2.c models writes -1, in 32 unsigned bits, for padding that there is none of.
        if (_values.Integer(key) is not { } id || (key == TokenizerKeys.Padding && id is -1 or uint.MaxValue))
            return null;
        return id >= 0 && id < Tokens.Count ? (int)id
            : throw _values.Error("GV005", key, $"is {id}, but the vocabulary has the tokens 0 to {Tokens.Count - 1}; correct the metadata, or convert the model again");
    }

    /// <summary>As the other, or the id that readers take where the file names none and there is such a control or unknown token.</summary>
    public int? Id(string key, int? usual) =>
        Id(key) ?? (usual is { } id && id < Tokens.Count && Tokens.Types[id] is TokenType.Control or TokenType.Unknown ? usual : null);

    /// <summary>The ids at which generation ends: EOS, then the others that the file names, then those known by their texts.</summary>
    public List<int> StopIds(int? eos)
    {
        List<int> ids = eos is { } end ? [end] : [];
        foreach (string key in TokenizerKeys.OtherEnds)
            if (Id(key) is { } id)
                ids.Add(id);
        for (int id = 0; id < Tokens.Count; id++)
            if (Tokens.Types[id] is TokenType.Control or TokenType.UserDefined && EndTexts.Contains(Tokens.Texts[id]))
                ids.Add(id);
        return [.. ids.Distinct()];
    }

    /// <summary>An array of one of some types; null where there is none.</summary>
    public static T[]? Array<T>(GgufMetadata values, string key, string needed, params ReadOnlySpan<GgufType> types)
    {
        if (!values.Values.TryGetValue(key, out GgufValue? value))
            return null;
        return value.Content is T[] array && value.IsArray && types.Contains(value.Type) ? array
            : throw values.Error("GV001", key, $"is {(value.IsArray ? $"an array of {value.Type}" : $"one {value.Type}")}, but must be an array of {needed}; the file is damaged or badly made");
    }

    private static T[]? OfLength<T>(GgufMetadata values, string key, T[]? array, int count) => array is null || array.Length == count ? array
        : throw values.Error("GV001", key, $"has {array.Length} entries, but there are {count} tokens; the file is damaged or badly made");

    /// <summary>The text of a token. Bytes that are not UTF-8 become lone surrogates, which no text that is encoded has.</summary>
    private static string TextOf(byte[] bytes)
    {
        if (System.Text.Unicode.Utf8.IsValid(bytes))
            return Encoding.UTF8.GetString(bytes);
        var text = new StringBuilder();
        for (ReadOnlySpan<byte> rest = bytes; !rest.IsEmpty;)
        {
            bool whole = Rune.DecodeFromUtf8(rest, out Rune rune, out int length) == System.Buffers.OperationStatus.Done;
            if (whole)
            {
                text.Append(rune.ToString());
            }
            else
            {
                foreach (byte b in rest[..length])
                    text.Append((char)(0xDC00 + b));
            }
            rest = rest[length..];
        }
        return text.ToString();
    }
}
