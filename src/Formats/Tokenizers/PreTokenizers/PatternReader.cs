namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Reads <c>{"String": ...}</c> and <c>{"Regex": ...}</c>; patterns of well-known models get the splitter written for them.</summary>
internal static class PatternReader
{
    public static IPattern Read(JsonAt json)
    {
        if (json.OptionalText("String") is { } literal)
            return literal.Length > 0 ? new LiteralPattern(literal) : throw json.Error("TK009", "the pattern is empty");
        JsonAt regex = json.Required("Regex");
        string text = regex.Text();
        if (KnownPatterns.Find(text) is { } known)
            return known;
        try
        {
            return new RegexPattern(text);
        }
        catch (ArgumentException e)
        {
            throw regex.Error("TK006", $"the regular expression {Echo.Quote(text)} is not supported: {Echo.Reason(e)}", e);
        }
    }
}
