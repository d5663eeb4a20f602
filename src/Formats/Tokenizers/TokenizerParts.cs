using Marrow.Formats.Tokenizers.Decoders;
using Marrow.Formats.Tokenizers.Normalizers;
using Marrow.Formats.Tokenizers.PostProcessors;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers;

/// <summary>What a tokenizer is made of, whatever file it came from; <paramref name="LongestFirst"/> as in <see cref="AddedTokenMatcher"/>.</summary>
internal sealed record TokenizerParts(
    Vocabulary Vocabulary,
    IReadOnlyList<AddedToken> AddedTokens,
    ITextNormalizer? Normalizer,
    IPreTokenizer? PreTokenizer,
    ITokenModel Model,
    SpecialFrame Frame,
    ITokenDecoder Decoder,
    bool LongestFirst = false);
