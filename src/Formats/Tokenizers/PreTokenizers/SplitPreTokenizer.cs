namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Split, and the kinds that are a Split with a fixed pattern.</summary>
internal sealed class SplitPreTokenizer(IPattern pattern, SplitBehavior behavior, bool invert = false) : IPreTokenizer
{
    public void Apply(PieceList pieces) => pieces.Split(pattern, behavior, invert);
}
