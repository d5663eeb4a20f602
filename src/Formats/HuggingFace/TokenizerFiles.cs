namespace Marrow.Formats.HuggingFace;

/// <summary>The paths of the tokenizer's files in a model folder; null where a file is absent.</summary>
/// <param name="Tokenizer">tokenizer.json.</param>
/// <param name="SentencePiece">tokenizer.model.</param>
/// <param name="Config">tokenizer_config.json.</param>
/// <param name="SpecialTokens">special_tokens_map.json.</param>
/// <param name="AddedTokens">added_tokens.json.</param>
/// <param name="ChatTemplate">chat_template.jinja, which wins over the template in <paramref name="Config"/>.</param>
/// <param name="Vocabulary">vocab.json.</param>
/// <param name="Merges">merges.txt.</param>
/// <param name="World">RWKV's rwkv_vocab….txt.</param>
public sealed record TokenizerFiles(string? Tokenizer, string? SentencePiece, string? Config, string? SpecialTokens,
    string? AddedTokens, string? ChatTemplate, string? Vocabulary, string? Merges, string? World)
{
    /// <summary>The files that are there, for copying them beside new weights.</summary>
    public IEnumerable<string> Present =>
        new[] { Tokenizer, SentencePiece, Config, SpecialTokens, AddedTokens, ChatTemplate, Vocabulary, Merges, World }.OfType<string>();

    /// <summary>Looks for the files in a folder.</summary>
    /// <exception cref="ModelFileException">TK015: several files are called rwkv_vocab….txt; IO003 the folder cannot be read.</exception>
    public static TokenizerFiles Find(string folder)
    {
        return new(At("tokenizer.json"), At("tokenizer.model"), At("tokenizer_config.json"), At("special_tokens_map.json"),
            At("added_tokens.json"), At("chat_template.jinja"), At("vocab.json"), At("merges.txt"), OnlyWorld(folder));

        string? At(string name) => Path.Combine(folder, name) is var path && File.Exists(path) ? path : null;
    }

    private static string? OnlyWorld(string folder)
    {
        if (!Directory.Exists(folder))
            return null;
        string[] found;
        try
        {
            found = [.. Directory.EnumerateFiles(folder, "rwkv_vocab*.txt").Order(StringComparer.Ordinal).Take(5)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException("IO003", folder, $"the folder cannot be read: {e.Message}", e);
        }
        return found.Length < 2 ? found.FirstOrDefault() : throw new ModelFileException("TK015", folder,
            $"holds several vocabularies: {string.Join(", ", found.Select(f => Echo.Name(Path.GetFileName(f))))}; keep the one that belongs to the model");
    }
}
