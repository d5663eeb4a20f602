using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.World;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>A World vocabulary as GGUF metadata (spec/formats.md §7.7).</summary>
internal static class GgufWorldWriter
{
    /// <summary>What other programs call id 0.</summary>
    public const string UsualEndText = "<s>";

    public static void Write(TokenizerFiles files, string path, int rows, GgufMetadata values)
    {
        TokenizerConfig config = TokenizerConfig.Read(files);
        WorldVocabulary world = WorldVocabulary.Read(path);
        WorldTokenizer tokenizer = ModelTokenizer.World(world, config);
        var vocabulary = new Vocabulary(world.Size);
        for (int id = 0; id < world.Size; id++)
            if (id != WorldTokenizer.EndOfText && !world[id].IsEmpty)
                _ = vocabulary.TryAdd(GgufWorld.Escape(world[id]), id);
        string end = tokenizer.EndText != WorldTokenizer.UsualEndText || vocabulary.IdOf(UsualEndText) is not null ? tokenizer.EndText : UsualEndText;
        if (!vocabulary.TryAdd(end, WorldTokenizer.EndOfText))
            throw new ModelFileException("TK017", path, $"the text of id 0, {Echo.Quote(end)}, is also token {vocabulary.IdOf(end)}; give it another as bos_token in tokenizer_config.json");
        TokenTable tokens = TokenRows.Of(path, vocabulary, rows, (id, _) => id == WorldTokenizer.EndOfText ? TokenType.Control : TokenType.Normal, _ => 0);
        TokenRows.Put(values, "rwkv", null, tokens, withScores: false);
        values.Set(TokenizerKeys.Bos, WorldTokenizer.EndOfText);
        values.Set(TokenizerKeys.Eos, WorldTokenizer.EndOfText);
        if (tokenizer.IdOf("\n\n") is { } turn)
            values.Set(TokenizerKeys.Eot, turn);
        if (config.ChatTemplate is null)
            values.Set(TokenizerKeys.ChatTemplate, GgufWorld.ChatForm);
        TokenRows.PutTemplates(values, config);
    }
}
