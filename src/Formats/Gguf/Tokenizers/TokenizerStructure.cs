using System.Text.Json;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.Bpe;
using Marrow.Formats.Tokenizers.PreTokenizers;
using Marrow.Formats.Tokenizers.SentencePiece;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>How a tokenizer.json works, step by step, to find the GGUF tokenizer that does the same (spec/formats.md §7.6).</summary>
/// <param name="Normalizers">The steps of the normalizer, as <see cref="Nfc"/> or their JSON.</param>
/// <param name="PreTokenizers">The steps of the pre-tokenizer: canonical patterns that cut, <see cref="Bytes"/>, or their JSON.</param>
/// <param name="Merges">The merge list; of a pair that occurs twice only the last, which is the one that counts.</param>
/// <param name="IgnoreMerges">A piece that is a token as a whole is taken without merging.</param>
/// <param name="ByteFallback">A character without token becomes its bytes' tokens.</param>
/// <param name="Unknown">The unknown token.</param>
/// <param name="Affixes">Whether tokens at the ends of words are written otherwise.</param>
internal sealed record TokenizerStructure(List<string> Normalizers, List<string> PreTokenizers, List<(string Left, string Right)> Merges,
    bool IgnoreMerges, bool ByteFallback, string? Unknown, bool Affixes)
{
    public const string Bytes = "ByteLevel";
    public const string BytesAfterSpace = "ByteLevel with add_prefix_space";
    public const string Nfc = "NFC";
    public const string SpaceInFront = "a space in front";
    public const string VisibleSpaces = "visible spaces";
    public const string SplitAtSpaces = "pieces end at spaces";

    /// <summary>Metaspace without splitting, followed by its scheme.</summary>
    public const string Metaspace = "Metaspace ";

    private static readonly string Space = SentencePieceOptions.Space.ToString();

    public bool IsByteLevel => PreTokenizers.Any(step => step is Bytes or BytesAfterSpace);

    public static TokenizerStructure Read(JsonAt root)
    {
        JsonAt model = root.Required("model");
        var normalizers = new List<string>();
        var preTokenizers = new List<string>();
        if (root.Optional("normalizer") is { } normalizer)
            AddNormalizer(normalizer, normalizers);
        if (root.Optional("pre_tokenizer") is { } preTokenizer)
            AddPreTokenizer(preTokenizer, preTokenizers);
        var merges = new List<(string, string)>();
        var seen = new HashSet<(string, string)>();
        foreach ((string, string) merge in BpeReader.Merges(model.Required("merges")).Reverse())
            if (seen.Add(merge))
                merges.Add(merge);
        merges.Reverse();
        return new TokenizerStructure(
            normalizers,
            preTokenizers,
            merges,
            model.Flag("ignore_merges", false),
            model.Flag("byte_fallback", false),
            model.OptionalText("unk_token"),
            !string.IsNullOrEmpty(model.OptionalText("continuing_subword_prefix")) || !string.IsNullOrEmpty(model.OptionalText("end_of_word_suffix")));
    }

    // Nesting has been bounded where the tokenizer was read.
    private static void AddNormalizer(JsonAt json, List<string> steps)
    {
        switch (json.Text("type"))
        {
            case "Sequence":
                foreach (JsonAt part in json.Required("normalizers").Items())
                    AddNormalizer(part, steps);
                break;
            case "NFC":
                steps.Add(Nfc);
                break;
            case "Prepend" when json.Text("prepend") == Space:
                steps.Add(SpaceInFront);
                break;
            case "Replace" when json.Required("pattern").OptionalText("String") == " " && json.Text("content") == Space:
                steps.Add(VisibleSpaces);
                break;
            default:
                steps.Add(Shown(json));
                break;
        }
    }

    private static void AddPreTokenizer(JsonAt json, List<string> steps)
    {
        switch (json.Text("type"))
        {
            case "Sequence":
                foreach (JsonAt part in json.Required("pretokenizers").Items())
                    AddPreTokenizer(part, steps);
                break;
            case "ByteLevel":
                if (json.Flag("use_regex", true))
                    steps.Add(KnownPatterns.Gpt2);
                steps.Add(json.Flag("add_prefix_space", true) ? BytesAfterSpace : Bytes);
                break;
            case "Digits":
                steps.Add(KnownPatterns.Canonical(json.Flag("individual_digits", false) ? @"\p{N}" : @"\p{N}+"));
                break;
            case "Punctuation" when json.OptionalText("behavior") is null or "Isolated":
                steps.Add(KnownPatterns.Canonical(@"[\p{P}\$\+<=>\^~\|`]"));
                break;
            case "Punctuation" when json.OptionalText("behavior") is "Contiguous":
                steps.Add(KnownPatterns.Canonical(@"[\p{P}\$\+<=>\^~\|`]+"));
                break;
            case "Metaspace" when MetaspacePreTokenizer.ReadScheme(json) is { Replacement: SentencePieceOptions.Space } scheme && !json.Flag("split", true):
                steps.Add(Metaspace + scheme.Prepend);
                break;
            case "Split" when json.Required("pattern").OptionalText("Regex") is { } regex && Isolates(json, KnownPatterns.Canonical(regex)):
                steps.Add(KnownPatterns.Canonical(regex));
                break;
            case "Split" when json.Required("pattern").OptionalText("String") == " ":
                steps.Add(SplitAtSpaces);
                break;
            default:
                steps.Add(Shown(json));
                break;
        }
    }

    // Where the matches leave no gaps, dropping the gaps is the same as keeping them.
    private static bool Isolates(JsonAt json, string pattern) => (json.Text("behavior"), json.Flag("invert", false)) switch
    {
        ("Isolated", _) => true,
        ("Removed", true) => KnownPatterns.CoverAll(pattern),
        _ => false,
    };

    private static string Shown(JsonAt json) => JsonSerializer.Serialize(json.Value);
}
