using System.Text;
using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>Puts the tokens of a vocabulary and their roles into GGUF metadata, one row of the model's vocabulary after the other.</summary>
internal static class TokenRows
{
    private const float UnusedScore = -10000;

    /// <summary>The tokens with their types and scores; ids without token become unused rows, as many as the model has.</summary>
    /// <exception cref="ModelFileException">TK018 more tokens than rows; TK017 a token has the text of an unused row.</exception>
    public static TokenTable Of(string file, Vocabulary vocabulary, int rows, Func<int, string, TokenType> type, Func<int, float> score)
    {
        if (vocabulary.Size > rows)
        {
            throw new ModelFileException("TK018", file, $"the tokenizer's ids go up to {vocabulary.Size - 1}, so it needs {vocabulary.Size} rows, but the model's vocabulary has {rows}; " +
                "take the tokenizer that belongs to the model, or a model whose embeddings were resized for it");
        }
        var texts = new string[rows];
        var types = new TokenType[rows];
        var scores = new float[rows];
        for (int id = 0; id < rows; id++)
        {
            bool known = vocabulary.TryGetToken(id, out string? text);
            texts[id] = text ?? TokenTable.PaddingText(id);
            types[id] = known ? type(id, texts[id]) : TokenType.Unused;
            scores[id] = known ? score(id) : UnusedScore;
            if (!known && vocabulary.IdOf(texts[id]) is { } twin)
                throw new ModelFileException("TK017", file, $"token {twin} is called {texts[id]}, as the unused row {id} of a GGUF vocabulary is; rename the token");
        }
        return new TokenTable(texts, types, scores);
    }

    public static void Put(GgufMetadata values, string model, string? pre, TokenTable tokens, bool withScores)
    {
        values.Set(TokenizerKeys.Model, model);
        if (pre is not null)
            values.Set(TokenizerKeys.Pre, pre);
        values.Set(TokenizerKeys.Tokens, new GgufValue(GgufType.String, Array.ConvertAll(tokens.Texts, Encoding.UTF8.GetBytes)));
        if (withScores)
            values.Set(TokenizerKeys.Scores, new GgufValue(GgufType.F32, Array.ConvertAll(tokens.Scores, s => (double)s)));
        values.Set(TokenizerKeys.Types, new GgufValue(GgufType.I32, Array.ConvertAll(tokens.Types, t => (long)t)));
    }

    /// <summary>The ids with a role, the flags of BOS and EOS, the further ends of generation and the chat templates.</summary>
    /// <exception cref="ModelFileException">TK017 other tokens than BOS and EOS stand around a text.</exception>
    public static void PutRoles(GgufMetadata values, FolderTokenizer folder, TokenTable tokens, List<string> notes)
    {
        (int[] before, int[] after) = (folder.Parts.Frame.Before, folder.Parts.Frame.After);
        int? bos = folder.Bos ?? (before.Length == 1 ? before[0] : null), eos = folder.Eos ?? (after.Length == 1 ? after[0] : null);
        if (before.Length > 1 || after.Length > 1 || (before.Length == 1 && before[0] != bos) || (after.Length == 1 && after[0] != eos))
        {
            throw new ModelFileException("TK017", folder.Path, $"puts the tokens {string.Join(", ", before)} before a text and {string.Join(", ", after)} after it; " +
                "GGUF carries only one BOS and one EOS. Change its post_processor, or convert to a Hugging Face folder");
        }
        foreach ((string key, int? id) in (ReadOnlySpan<(string, int?)>)[(TokenizerKeys.Bos, bos), (TokenizerKeys.Eos, eos), (TokenizerKeys.Unknown, folder.Unk), (TokenizerKeys.Padding, folder.Pad)])
            if (id is { } known)
                values.Set(key, known);
        if (eos is null)
            notes.Add($"the tokenizer names no token that ends a text; llama.cpp takes token {(values.Text(TokenizerKeys.Model) == "gpt2" ? 11 : 2)} for it, so name one as eos_token in tokenizer_config.json");
        values.Set(TokenizerKeys.AddBos, before.Length > 0);
        values.Set(TokenizerKeys.AddEos, after.Length > 0);
        PutEnds(values, folder.StopIds, tokens, notes);
        PutTemplates(values, folder.Config);
    }

    public static void PutTemplates(GgufMetadata values, TokenizerConfig config)
    {
        if (config.ChatTemplate is { } template)
            values.Set(TokenizerKeys.ChatTemplate, template.Source);
        if (config.OtherTemplates.Count == 0)
            return;
        values.Set(TokenizerKeys.ChatTemplateNames, new GgufValue(GgufType.String, config.OtherTemplates.Select(t => Encoding.UTF8.GetBytes(t.Name)).ToArray()));
        foreach ((string name, string source) in config.OtherTemplates)
            values.Set($"{TokenizerKeys.ChatTemplate}.{name}", source);
    }

    /// <summary>Ends that readers do not find by themselves; there are keys for two.</summary>
    private static void PutEnds(GgufMetadata values, IReadOnlyList<int> ends, TokenTable tokens, List<string> notes)
    {
        List<int> found = GgufVocabulary.Read(values).StopIds(values.Size(TokenizerKeys.Eos));
        int[] others = [.. ends.Where(id => id < tokens.Count && !found.Contains(id))];
        foreach ((string key, int id) in TokenizerKeys.OtherEnds.Zip(others).Take(2))
            values.Set(key, id);
        if (others.Length > 2)
            notes.Add($"generation_config.json names more ends of generation than GGUF has keys for; left out: {string.Join(", ", others.Skip(2))}");
    }
}
