using System.Text;

namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Reads the <c>pre_tokenizer</c> section of tokenizer.json.</summary>
internal static class PreTokenizerReader
{
    public static IPreTokenizer Read(JsonAt json, int depth = 0)
    {
        string type = json.Text("type");
        switch (type)
        {
            case "ByteLevel":
                return new ByteLevelPreTokenizer(json.Flag("add_prefix_space", true), json.Flag("use_regex", true));
            case "Split":
                return new SplitPreTokenizer(PatternReader.Read(json.Required("pattern")), Behavior(json, null), json.Flag("invert", false));
            case "Metaspace":
                (char replacement, PrependScheme prepend) = MetaspacePreTokenizer.ReadScheme(json);
                return new MetaspacePreTokenizer(replacement, prepend, json.Flag("split", true));
            case "Digits":
                return new SplitPreTokenizer(new RunePattern(Characters.IsNumber), json.Flag("individual_digits", false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous);
            case "Punctuation":
                return new SplitPreTokenizer(new RunePattern(Characters.IsPunctuation), Behavior(json, "Isolated"));
            case "Whitespace":
                return new SplitPreTokenizer(new WordPattern(), SplitBehavior.Removed, invert: true);
            case "WhitespaceSplit":
                return new SplitPreTokenizer(new RunePattern(Rune.IsWhiteSpace), SplitBehavior.Removed);
            case "Sequence":
                return new PreTokenizerSequence(SequenceReader.Read(json, "pretokenizers", depth, Read));
            default:
                throw json.Unsupported("the pre-tokenizer", type);
        }
    }

    private static SplitBehavior Behavior(JsonAt json, string? absent)
    {
        string name = json.OptionalText("behavior") ?? absent ?? json.Text("behavior");
        return name switch
        {
            "Removed" => SplitBehavior.Removed,
            "Isolated" => SplitBehavior.Isolated,
            "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
            "MergedWithNext" => SplitBehavior.MergedWithNext,
            "Contiguous" => SplitBehavior.Contiguous,
            _ => throw json.Unsupported("the split behavior", name),
        };
    }
}
