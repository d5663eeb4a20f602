using System.Text;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers.Normalizers;

/// <summary>Reads the <c>normalizer</c> section of tokenizer.json.</summary>
internal static class NormalizerReader
{
    public static ITextNormalizer Read(JsonAt json, int depth = 0)
    {
        string type = json.Text("type");
        return type switch
        {
            "NFC" => new UnicodeNormalizer(NormalizationForm.FormC),
            "NFD" => new UnicodeNormalizer(NormalizationForm.FormD),
            "NFKC" => new UnicodeNormalizer(NormalizationForm.FormKC),
            "NFKD" => new UnicodeNormalizer(NormalizationForm.FormKD),
            "Lowercase" => new LowercaseNormalizer(),
            "StripAccents" => new StripAccentsNormalizer(),
            "Strip" => new StripNormalizer(json.Flag("strip_left", true), json.Flag("strip_right", true)),
            "Prepend" => new PrependNormalizer(json.Text("prepend")),
            "Replace" => new ReplaceNormalizer(PatternReader.Read(json.Required("pattern")), json.Text("content")),
            "Sequence" => new NormalizerSequence(SequenceReader.Read(json, "normalizers", depth, Read)),
            _ => throw json.Unsupported("the normalizer", type),
        };
    }
}
