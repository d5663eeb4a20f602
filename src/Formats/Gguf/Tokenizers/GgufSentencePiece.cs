using System.Runtime.InteropServices;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.SentencePiece;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>Sentencepiece's BPE by scores, tokenizer.ggml.model "llama" (spec/formats.md §7.3).</summary>
internal static class GgufSentencePiece
{
    public static ModelTokenizer Read(GgufMetadata values)
    {
        GgufVocabulary vocabulary = ReadVocabulary(values);
        SentencePieceOptions options = Options(values, vocabulary, out int? bos, out int? eos);
        TokenizerParts parts = SentencePieceParts.Build(vocabulary.Tokens, Added(values, vocabulary.Tokens), options,
            message => values.Error("GV004", TokenizerKeys.Tokens, $"is wrong: {message}; the file is damaged or badly made, convert the model again"));
        return GgufTokenizer.Finish(values, vocabulary, parts, bos, eos, options.UnknownId);
    }

    /// <summary>The vocabulary, which must have scores.</summary>
    public static GgufVocabulary ReadVocabulary(GgufMetadata values) => values.Has(TokenizerKeys.Scores) ? GgufVocabulary.Read(values)
        : throw values.Error("GV001", TokenizerKeys.Scores, "is missing; without scores a text cannot be cut into tokens, convert the model again");

    /// <summary>The roles and flags; where the file does not say, BOS is 1, EOS 2, the unknown token 0, and BOS and a space stand in front.</summary>
    public static SentencePieceOptions Options(GgufMetadata values, GgufVocabulary vocabulary, out int? bos, out int? eos)
    {
        bos = vocabulary.Id(TokenizerKeys.Bos, 1);
        eos = vocabulary.Id(TokenizerKeys.Eos, 2);
        return new SentencePieceOptions(
            values.Flag(TokenizerKeys.AddSpace) ?? true,
            values.Flag(TokenizerKeys.CollapseSpaces) ?? false,
            ReadCharsmap(values),
            vocabulary.Id(TokenizerKeys.Unknown, 0),
            GgufTokenizer.Frame(values, bos, eos, usualBos: true));
    }

    /// <summary>The tokens cut out first. Those of Phi 3 absorb the white space behind them, which only its name tells (spec/formats.md §7.2).</summary>
    public static List<AddedToken> Added(GgufMetadata values, TokenTable tokens)
    {
        List<AddedToken> added = tokens.AddedTokens();
        if (IsPhi3(values))
        {
            foreach (ref AddedToken token in CollectionsMarshal.AsSpan(added))
                token = token with { RightStrip = token.Content is not ("<unk>" or "<s>" or "<|endoftext|>") };
        }
        return added;
    }

    /// <summary>Whether the model's name is one of Phi 3's.</summary>
    public static bool IsPhi3(GgufMetadata values) => values.Text("general.name") is { } name &&
        (name.Contains("phi-3", StringComparison.OrdinalIgnoreCase) || name.Contains("phi3", StringComparison.OrdinalIgnoreCase));

    private static Charsmap? ReadCharsmap(GgufMetadata values)
    {
        if (!values.Values.TryGetValue(TokenizerKeys.Charsmap, out GgufValue? value))
            return null;
        if (!value.IsArray || value.Content is not long[] units || value.Type is not (GgufType.I8 or GgufType.U8))
            throw values.Error("GV001", TokenizerKeys.Charsmap, "is not an array of bytes; the file is damaged or badly made");
        return Charsmap.Read(Array.ConvertAll(units, u => unchecked((byte)u)),
            message => values.Error("GV006", TokenizerKeys.Charsmap, $"{message}; the file is damaged, fetch it again"));
    }
}
