namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Reads <c>{"String": ...}</c> and <c>{"Regex": ...}</c>; patterns of well-known models get the splitter written for them.</summary>
internal static class PatternReader
{
    private const string Qwen2 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    internal const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    internal const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string Gpt2Grouped = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string Cl100k = @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";

    public static IPattern Read(JsonAt json)
    {
        if (json.OptionalText("String") is { } literal)
            return literal.Length > 0 ? new LiteralPattern(literal) : throw json.Error("TK009", "the pattern is empty");
        JsonAt regex = json.Required("Regex");
        return regex.Text() switch
        {
            Gpt2 or Gpt2Grouped => new Gpt2Pattern(),
            Qwen2 => new Llama3Pattern(1),
            Llama3 or Cl100k => new Llama3Pattern(3),
            _ => new RegexPattern(regex),
        };
    }
}
