using Marrow.Formats.Tokenizers.Normalizers;
using Marrow.Formats.Tokenizers.PostProcessors;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>What a sentencepiece vocabulary does besides merging.</summary>
/// <param name="SpaceInFront">Every text, and every part after a special token, gets a space in front.</param>
/// <param name="CollapseSpaces">Spaces at the ends and doubled ones are dropped.</param>
/// <param name="Charsmap">Replaces characters first.</param>
/// <param name="UnknownId">The id of what no token covers.</param>
/// <param name="Frame">The ids around a text.</param>
internal sealed record SentencePieceOptions(bool SpaceInFront, bool CollapseSpaces, Charsmap? Charsmap, int? UnknownId, SpecialFrame Frame)
{
    /// <summary>The character that stands for a space in tokens.</summary>
    public const char Space = '\u2581';

    /// <summary>What happens to a text before it is merged.</summary>
    public ITextNormalizer Normalizer()
    {
        var steps = new List<ITextNormalizer>();
        if (Charsmap is not null)
            steps.Add(Charsmap);
        if (CollapseSpaces)
            steps.Add(new SpaceCollapse());
        if (SpaceInFront)
            steps.Add(new PrependNormalizer(" "));
        steps.Add(new ReplaceNormalizer(new PreTokenizers.LiteralPattern(" "), Space.ToString()));
        return new NormalizerSequence([.. steps]);
    }
}
