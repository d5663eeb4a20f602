namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Regular expressions of well-known models and the splitters written for them; the ways to write one of them have one canonical text.</summary>
internal static class KnownPatterns
{
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string Qwen2 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string TrailingSpaces = @"\s+$";

    /// <summary>Bloom's, where the brackets also hold the sign | and the round brackets.</summary>
    public const string Bloom = @" ?[^(\s|.,!?…。，、।۔،)]+";

    // What stands before the letters of Llama 3's pattern, in the ways that are in use.
    private static readonly string[] Contractions =
    [
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|",
        "'(?i:[sdmt]|ll|ve|re)|",
        "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|",
        "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|",
    ];

    /// <summary>The splitter written for a regular expression; null where there is none.</summary>
    public static IPattern? Find(string regex) => Canonical(regex) switch
    {
        Gpt2 => new Gpt2Pattern(),
        Llama3 => new Llama3Pattern(3),
        Qwen2 => new Llama3Pattern(1),
        TrailingSpaces => new TrailingSpacesPattern(),
        _ => RuneSetPattern.Read(regex, out _),
    };

    /// <summary>One text for all regular expressions that are known to match the same; others stay as they are.</summary>
    public static string Canonical(string regex)
    {
        switch (regex)
        {
            case @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+":
            case @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)":
                return Gpt2;
            case @" ?[^(\s|[.,!?…。，、।۔،])]+":
                return Bloom;
        }
        if (RuneSetPattern.Read(regex, out string canonical) is not null)
            return canonical;
        foreach (string contraction in Contractions)
        {
            if (!regex.StartsWith(contraction, StringComparison.Ordinal))
                continue;
            switch (regex[contraction.Length..].Replace("?+", "?", StringComparison.Ordinal).Replace("]++", "]+", StringComparison.Ordinal).Replace(@"\s*[\r\n]|", @"\s*[\r\n]+|", StringComparison.Ordinal))
            {
                case @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+":
                    return Llama3;
                case @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+":
                    return Qwen2;
            }
        }
        return regex;
    }

    /// <summary>Whether the matches of a canonical pattern leave no gaps, whatever the text.</summary>
    public static bool CoverAll(string canonical) => canonical is Gpt2 or Llama3 or Qwen2;
}
