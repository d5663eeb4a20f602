namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Regular expressions of well-known models and the splitters written for them; the ways to write one of them have one canonical text.</summary>
internal static class KnownPatterns
{
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>What stands before the letters of Llama 3's pattern and its kin.</summary>
    public const string Contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|";

    public const string Llama3 = Contraction + @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string Qwen2 = Contraction + @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>That of OpenAI's o200k_base.</summary>
    public const string O200k =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|" +
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string TrailingSpaces = @"\s+$";

    /// <summary>Bloom's, where the brackets also hold the sign | and the round brackets.</summary>
    public const string Bloom = @" ?[^(\s|.,!?…。，、।۔،)]+";

    // The ways to write it that are in use.
    private static readonly string[] Contractions =
    [
        Contraction,
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
            string rest = regex[contraction.Length..];
            switch (rest.Replace("?+", "?", StringComparison.Ordinal).Replace("]++", "]+", StringComparison.Ordinal).Replace(@"\s*[\r\n]|", @"\s*[\r\n]+|", StringComparison.Ordinal))
            {
                case @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+":
                    return Llama3;
                case @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+":
                    return Qwen2;
                default:
                    return Contraction + rest;
            }
        }
        return regex;
    }

    /// <summary>Whether the matches of a canonical pattern leave no gaps, whatever the text.</summary>
    public static bool CoverAll(string canonical) => canonical is Gpt2 or Llama3 or Qwen2 or O200k;
}
