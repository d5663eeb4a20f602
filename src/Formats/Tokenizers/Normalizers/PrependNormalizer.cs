namespace Marrow.Formats.Tokenizers.Normalizers;

/// <summary>Prepend: puts a text in front, but not in front of nothing.</summary>
internal sealed class PrependNormalizer(string prefix) : ITextNormalizer
{
    public string Normalize(string text) => text.Length == 0 ? text : prefix + text;
}
