using Marrow.Formats.Tokenizers.Bpe;
using Marrow.Formats.Tokenizers.Decoders;
using Marrow.Formats.Tokenizers.Normalizers;
using Marrow.Formats.Tokenizers.PostProcessors;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers;

/// <summary>What a tokenizer is made of, whatever file it came from.</summary>
internal sealed record TokenizerParts(
    Vocabulary Vocabulary,
    IReadOnlyList<AddedToken> AddedTokens,
    ITextNormalizer? Normalizer,
    IPreTokenizer? PreTokenizer,
    BpeModel Model,
    SpecialFrame Frame,
    ITokenDecoder Decoder);
