using Marrow.Formats.ChatTemplates;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers.SentencePiece;
using Marrow.Formats.Tokenizers.World;

namespace Marrow.Formats.Tokenizers;

/// <summary>All that a model folder, or a GGUF file, says about text: the tokenizer, its special ids and the chat template.</summary>
public sealed class ModelTokenizer
{
    internal ModelTokenizer(ITokenizer tokenizer, IReadOnlyList<int> stopIds, int? padId, int? unkId, IChatTemplate? chatTemplate) =>
        (Tokenizer, StopIds, PadId, UnkId, ChatTemplate) = (tokenizer, stopIds, padId, unkId, chatTemplate);

    /// <summary>The tokenizer; its <c>addSpecial</c> adds what transformers' fast tokenizer of the same folder adds.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>The id that starts a text, or null.</summary>
    public int? BosId => Tokenizer.BosId;

    /// <summary>The id that ends a text, or null.</summary>
    public int? EosId => Tokenizer.EosId;

    /// <summary>The ids at which generation ends: EOS, then those of generation_config.json.</summary>
    public IReadOnlyList<int> StopIds { get; }

    /// <summary>The id for padding, or null.</summary>
    public int? PadId { get; }

    /// <summary>The id for what has no token, or null.</summary>
    public int? UnkId { get; }

    /// <summary>The chat template, or null where the folder has none; what it uses is checked at its first use.</summary>
    public IChatTemplate? ChatTemplate { get; }

    /// <summary>What is odd about the files but allowed, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; internal init; } = [];

    /// <summary>The tokenizer of an open model, in its GGUF file or beside its weights; null where it has none.</summary>
    /// <exception cref="MarrowException">As <see cref="Load"/> and <see cref="GgufTokenizer.Read"/>.</exception>
    public static ModelTokenizer? Of(ModelFolder model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.Gguf is { } file && GgufTokenizer.IsPresent(file.Values))
            return GgufTokenizer.Read(file.Values);
        return model.Tokenizer.Present.Any() ? Load(model.Directory) : null;
    }

    /// <summary>The tokenizer of a model's path, of whose weights nothing is looked at: a folder, a GGUF file, or a file that the tokenizer lies beside.</summary>
    /// <exception cref="MarrowException">As <see cref="Load"/>, <see cref="GgufFile.Open(string)"/> and <see cref="GgufTokenizer.Read"/>.</exception>
    public static ModelTokenizer Open(string path)
    {
        if (!File.Exists(path))
            return Load(path);
        if (!GgufFile.IsGguf(path))
            return Load(Path.GetDirectoryName(Path.GetFullPath(path))!);
        using GgufFile file = GgufFile.Open(path);
        return GgufTokenizer.Read(file.Values);
    }

    /// <summary>
    /// Reads tokenizer.json, without one sentencepiece's tokenizer.model (with added_tokens.json), without that RWKV's rwkv_vocab….txt; and, where they
    /// exist, tokenizer_config.json, special_tokens_map.json, generation_config.json and chat_template.jinja.
    /// </summary>
    /// <exception cref="MarrowException">
    /// TK001 to TK015, SP001 to SP007, RV001 to RV010, IO001 to IO006, HF002 to HF012: no tokenizer, or a file of the folder is damaged or uses what is not supported.
    /// </exception>
    public static ModelTokenizer Load(string folder)
    {
        TokenizerFiles files = TokenizerFiles.Find(folder);
        if (files is { Tokenizer: null, SentencePiece: null, World: { } world })
            return LoadWorld(folder, files, world);
        if (files.Tokenizer is { } json)
            return FolderTokenizer.Of(files, json, JsonAt.ReadFile(json, TokenizerJson.Read)).ToModel();
        if (files.SentencePiece is { } model)
        {
            TokenizerConfig config = TokenizerConfig.Read(files);
            return FolderTokenizer.Of(model, SentencePieceFolder.Read(files, model, config), config).ToModel();
        }
        throw new ModelFileException("TK013", Path.Combine(folder, "tokenizer.json"), !Directory.Exists(folder) ? "the folder does not exist"
            : "not found; copy tokenizer.json and tokenizer_config.json (of an RWKV World model: rwkv_vocab_v20230424.txt) into the folder");
    }

    /// <summary>
    /// Ids and roles are fixed: 0 starts, ends and pads. What tokenizer_config.json says otherwise is left aside, as the "\n\n" that published
    /// folders name as eos_token, which transformers takes for a new token that no model knows. Its chat template and its text of id 0 count.
    /// </summary>
    private static ModelTokenizer LoadWorld(string folder, TokenizerFiles files, string path)
    {
        TokenizerConfig config = TokenizerConfig.Read(files);
        WorldTokenizer tokenizer = World(WorldVocabulary.Read(path), config);
        IChatTemplate template = config.ChatTemplate is { } found
            ? new WorldChatTemplate(new JinjaChatTemplate(found.Source, found.File, config.SpecialTokens)) : WorldChatTemplate.BuiltIn(tokenizer.EndText);
        return new ModelTokenizer(tokenizer, FolderTokenizer.ReadStopIds(folder, WorldTokenizer.EndOfText), padId: WorldTokenizer.EndOfText, unkId: null, template)
        {
            Warnings = tokenizer.Warnings,
        };
    }

    /// <summary>The World tokenizer; the configuration's bos_token is the text of id 0 where it is no token.</summary>
    internal static WorldTokenizer World(WorldVocabulary vocabulary, TokenizerConfig config)
    {
        var tokenizer = new WorldTokenizer(vocabulary);
        return config.SpecialTokens.TryGetValue("bos_token", out string? text) && text.Length > 0 && tokenizer.IdOf(text) is null
            ? new WorldTokenizer(vocabulary, text) : tokenizer;
    }
}
