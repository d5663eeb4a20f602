namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Cuts pieces of a text further, or rewrites them; the model never merges across pieces.</summary>
internal interface IPreTokenizer
{
    void Apply(PieceList pieces);
}
