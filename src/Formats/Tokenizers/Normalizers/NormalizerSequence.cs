namespace Marrow.Formats.Tokenizers.Normalizers;

/// <summary>Sequence: one normalizer after the other.</summary>
internal sealed class NormalizerSequence(ITextNormalizer[] parts) : ITextNormalizer
{
    public string Normalize(string text)
    {
        foreach (ITextNormalizer part in parts)
            text = part.Normalize(text);
        return text;
    }
}
