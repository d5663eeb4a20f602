using Marrow.Formats.ChatTemplates;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers.PostProcessors;
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
    /// <exception cref="MarrowException">As <see cref="Load"/>, <see cref="GgufFile.Open"/> and <see cref="GgufTokenizer.Read"/>.</exception>
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
    /// Reads tokenizer.json, or without one RWKV's rwkv_vocab….txt, and, where they exist, tokenizer_config.json, special_tokens_map.json,
    /// generation_config.json and chat_template.jinja.
    /// </summary>
    /// <exception cref="MarrowException">
    /// TK001 to TK015, RV001 to RV010, IO001 to IO006, HF002 to HF012: no tokenizer, or a file of the folder is damaged or uses what is not supported.
    /// </exception>
    public static ModelTokenizer Load(string folder)
    {
        TokenizerFiles files = TokenizerFiles.Find(folder);
        if (files is { Tokenizer: null, World: { } world })
            return LoadWorld(folder, files, world);
        string path = files.Tokenizer ?? throw new ModelFileException("TK013", Path.Combine(folder, "tokenizer.json"), Remedy(folder, files));
        TokenizerConfig config = TokenizerConfig.Read(files);
        TokenizerParts parts = JsonAt.ReadFile(path, TokenizerJson.Read);

        int IdOf(string token, string source) => parts.Vocabulary.IdOf(token) ?? throw new ModelFileException("TK014", path,
            $"has no token {Echo.Quote(token)}, which tokenizer_config.json or special_tokens_map.json names as {source}; the files do not belong together");
        int? RoleId(string role) => config.SpecialTokens.TryGetValue(role, out string? token) ? IdOf(token, role) : null;

        int? bos = RoleId("bos_token"), eos = RoleId("eos_token"), pad = RoleId("pad_token"), unk = RoleId("unk_token");
        foreach ((string text, _) in config.OtherTokens)
            _ = IdOf(text, "an added token");
        parts = parts with { AddedTokens = MarkSpecial(parts, config) };
        if (config.Frame is { } frame)
            parts = parts with { Frame = new SpecialFrame(Frame(frame.Bos, bos, "bos"), Frame(frame.Eos, eos, "eos")) };

        int[] Frame(bool wanted, int? id, string role) => !wanted ? [] : id is { } known ? [known] : throw new ModelFileException("TK014",
            Path.Combine(folder, "tokenizer_config.json"), $"asks for add_{role}_token, but there is no {role}_token; name one or set add_{role}_token to false");

        var template = config.ChatTemplate is { } found ? new JinjaChatTemplate(found.Source, found.File, config.SpecialTokens) : null;
        return new ModelTokenizer(new HuggingFaceTokenizer(parts, bos, eos), ReadStopIds(folder, eos), pad, unk, template);
    }

    /// <summary>
    /// Ids and roles are fixed: 0 starts, ends and pads. What tokenizer_config.json says otherwise is left aside, as the "\n\n" that published
    /// folders name as eos_token, which transformers takes for a new token that no model knows. Its chat template and its text of id 0 count.
    /// </summary>
    private static ModelTokenizer LoadWorld(string folder, TokenizerFiles files, string path)
    {
        TokenizerConfig config = TokenizerConfig.Read(files);
        WorldVocabulary vocabulary = WorldVocabulary.Read(path);
        var tokenizer = new WorldTokenizer(vocabulary);
        if (config.SpecialTokens.TryGetValue("bos_token", out string? text) && text.Length > 0 && tokenizer.IdOf(text) is null)
            tokenizer = new WorldTokenizer(vocabulary, text);
        IChatTemplate template = config.ChatTemplate is { } found
            ? new WorldChatTemplate(new JinjaChatTemplate(found.Source, found.File, config.SpecialTokens)) : WorldChatTemplate.BuiltIn(tokenizer.EndText);
        return new ModelTokenizer(tokenizer, ReadStopIds(folder, WorldTokenizer.EndOfText), padId: WorldTokenizer.EndOfText, unkId: null, template)
        {
            Warnings = tokenizer.Warnings,
        };
    }

    /// <summary>Tokens that the configuration gives a role are special even where tokenizer.json lists them as plain or not at all.</summary>
    private static List<AddedToken> MarkSpecial(TokenizerParts parts, TokenizerConfig config)
    {
        var tokens = parts.AddedTokens.ToList();
        foreach (string text in config.SpecialTokens.Values.Concat(config.OtherTokens.Where(t => t.Special).Select(t => t.Text)).Distinct())
        {
            int known = tokens.FindIndex(t => t.Content == text);
            if (known >= 0)
                tokens[known] = tokens[known] with { Special = true };
            else if (parts.Vocabulary.IdOf(text) is { } id)
                tokens.Add(new AddedToken(id, text, Special: true));
        }
        return tokens;
    }

    private static List<int> ReadStopIds(string folder, int? eos)
    {
        string path = Path.Combine(folder, "generation_config.json");
        IEnumerable<int> named = File.Exists(path) ? GenerationConfig.Read(path).EosIds : [];
        return (eos is { } id ? named.Prepend(id) : named).Distinct().ToList();
    }

    private static string Remedy(string folder, TokenizerFiles files)
    {
        if (!Directory.Exists(folder))
            return "the folder does not exist";
        return files.SentencePiece is not null
            ? "not found; the folder has only tokenizer.model. Save the fast tokenizer beside it, with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            : "not found; copy tokenizer.json and tokenizer_config.json (of an RWKV World model: rwkv_vocab_v20230424.txt) into the folder";
    }
}
