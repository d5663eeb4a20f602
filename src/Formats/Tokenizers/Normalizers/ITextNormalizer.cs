namespace Marrow.Formats.Tokenizers.Normalizers;

/// <summary>Rewrites a text before it is cut into pieces. Takes and gives well-formed UTF-16.</summary>
internal interface ITextNormalizer
{
    string Normalize(string text);
}
