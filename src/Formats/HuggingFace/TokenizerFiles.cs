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
public sealed record TokenizerFiles(string? Tokenizer, string? SentencePiece, string? Config, string? SpecialTokens,
    string? AddedTokens, string? ChatTemplate, string? Vocabulary, string? Merges)
{
    /// <summary>The files that are there, for copying them beside new weights.</summary>
    public IEnumerable<string> Present =>
        new[] { Tokenizer, SentencePiece, Config, SpecialTokens, AddedTokens, ChatTemplate, Vocabulary, Merges }.OfType<string>();

    /// <summary>Looks for the files in a folder.</summary>
    public static TokenizerFiles Find(string folder)
    {
        return new(At("tokenizer.json"), At("tokenizer.model"), At("tokenizer_config.json"), At("special_tokens_map.json"),
            At("added_tokens.json"), At("chat_template.jinja"), At("vocab.json"), At("merges.txt"));

        string? At(string name) => Path.Combine(folder, name) is var path && File.Exists(path) ? path : null;
    }
}
