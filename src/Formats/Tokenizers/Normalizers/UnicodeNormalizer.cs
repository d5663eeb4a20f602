using System.Text;

namespace Marrow.Formats.Tokenizers.Normalizers;

/// <summary>NFC, NFD, NFKC, NFKD.</summary>
internal sealed class UnicodeNormalizer : ITextNormalizer
{
    private readonly NormalizationForm _form;

    public UnicodeNormalizer(NormalizationForm form)
    {
        RequireUnicodeTables(static (text, form) => text.Normalize(form));
        _form = form;
    }

    public string Normalize(string text) => Ascii.IsValid(text) ? text : text.Normalize(_form);

    /// <summary>In globalization-invariant mode .NET gives non-ASCII text back unchanged and says nothing; tokens would silently be wrong.</summary>
    /// <exception cref="MarrowException">TK011.</exception>
    internal static void RequireUnicodeTables(Func<string, NormalizationForm, string> normalize)
    {
        if (normalize("e\u0301", NormalizationForm.FormC) != "\u00E9" || normalize("\uFB01", NormalizationForm.FormKD) != "fi")
        {
            throw new MarrowException("TK011",
                "This tokenizer normalises Unicode, and .NET runs here without Unicode tables (globalization-invariant mode). " +
                "Install ICU (Debian: libicu) and run without DOTNET_SYSTEM_GLOBALIZATION_INVARIANT.");
        }
    }
}
