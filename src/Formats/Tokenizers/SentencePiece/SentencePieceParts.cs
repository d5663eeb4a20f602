using Marrow.Formats.Tokenizers.Decoders;
using Marrow.Formats.Tokenizers.Normalizers;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>Puts a tokenizer together from a table of tokens with scores, whichever file it comes from (spec/formats.md §7.3).</summary>
internal static class SentencePieceParts
{
    /// <param name="tokens">The tokens; BYTE tokens spell bytes.</param>
    /// <param name="added">The tokens that are cut out first.</param>
    /// <param name="options">What happens besides.</param>
    /// <param name="error">Makes the error for missing byte tokens.</param>
    public static TokenizerParts Build(TokenTable tokens, IReadOnlyList<AddedToken> added, SentencePieceOptions options, Func<string, MarrowException> error)
    {
        Vocabulary vocabulary = tokens.ToVocabulary();
        var model = new SentencePieceBpe(tokens, vocabulary, ByteIds(tokens, error), options.UnknownId);
        var space = new ReplaceNormalizer(new LiteralPattern(SentencePieceOptions.Space.ToString()), " ");
        List<ITokenDecoder> decoders =
        [
            new EachTokenDecoder((chunk, _) => chunk with { Text = space.Normalize(HuggingFaceTokenizer.WellFormed(chunk.Text)) }),
            new ByteFallbackDecoder(),
        ];
        if (options.SpaceInFront)
        {
            decoders.Add(new EachTokenDecoder(static (chunk, first) => chunk with { Continues = !first }));
            decoders.Add(new StripDecoder(' ', 1, 0));
        }
        return new TokenizerParts(vocabulary, added, options.Normalizer(), null, model, options.Frame, new DecoderSequence([.. decoders]), LongestFirst: true);
    }

    /// <summary>The ids of the 256 bytes; null where the vocabulary has none.</summary>
    private static int[]? ByteIds(TokenTable tokens, Func<string, MarrowException> error)
    {
        int[]? ids = null;
        for (int id = 0; id < tokens.Count; id++)
        {
            if (tokens.Types[id] != TokenType.Byte)
                continue;
            if (TokenTable.ByteOf(tokens.Texts[id]) is not { } value)
                throw error($"token {id} is a byte but spelt {Echo.Quote(tokens.Texts[id])}, not <0xHH>");
            if (ids is null)
            {
                ids = new int[256];
                Array.Fill(ids, -1);
            }
            if (ids[value] >= 0)
                throw error($"tokens {ids[value]} and {id} are the same byte");
            ids[value] = id;
        }
        int missing = ids is null ? -1 : Array.IndexOf(ids, -1);
        return missing < 0 ? ids : throw error($"the byte token {TokenTable.ByteText(missing)} is missing, while others are there");
    }
}
