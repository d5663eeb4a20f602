namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Sequence: one pre-tokenizer after the other.</summary>
internal sealed class PreTokenizerSequence(IPreTokenizer[] parts) : IPreTokenizer
{
    public void Apply(PieceList pieces)
    {
        foreach (IPreTokenizer part in parts)
            part.Apply(pieces);
    }
}
