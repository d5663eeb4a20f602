using System.Text;
using Marrow.Formats.Tokenizers.Normalizers;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>How vocabularies of one kind cut a text before byte-pair encoding (spec/formats.md §7.4).</summary>
/// <param name="Names">The values of tokenizer.ggml.pre that mean it; the first is the one that is written.</param>
/// <param name="Patterns">Regular expressions; each cuts the pieces that the one before left, at its matches and between them.</param>
/// <param name="IgnoreMerges">A piece that is a token as a whole is taken without merging.</param>
/// <param name="AddBos">BOS stands before a text where the file does not say.</param>
/// <param name="Nfc">These models' own tokenizers first compose Unicode characters, which GGUF has no key for.</param>
internal sealed record PreTokenizerRow(string[] Names, string[] Patterns, bool IgnoreMerges = false, bool AddBos = false, bool Nfc = false)
{
    /// <summary>The normaliser, or null.</summary>
    public ITextNormalizer? Normalizer() => Nfc ? new UnicodeNormalizer(NormalizationForm.FormC) : null;

    /// <summary>The splits, then bytes as characters.</summary>
    public IPreTokenizer PreTokenizer() => new PreTokenizerSequence(
    [
        .. Patterns.Select(p => new SplitPreTokenizer(KnownPatterns.Find(p) ?? new RegexPattern(p), SplitBehavior.Isolated)),
        new ByteLevelPreTokenizer(addPrefixSpace: false, split: false),
    ]);
}
