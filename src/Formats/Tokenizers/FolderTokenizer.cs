using Marrow.Formats.ChatTemplates;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers.PostProcessors;
using Marrow.Formats.Tokenizers.SentencePiece;

namespace Marrow.Formats.Tokenizers;

/// <summary>What the tokenizer's files of a model folder say together.</summary>
/// <param name="Path">tokenizer.json or tokenizer.model.</param>
/// <param name="Parts">The tokenizer; tokens with a role are special in it.</param>
/// <param name="Config">What the other files say.</param>
/// <param name="Bos">The id of bos_token, or null.</param>
/// <param name="Eos">The id of eos_token, or null.</param>
/// <param name="Pad">The id of pad_token, or null.</param>
/// <param name="Unk">The id of unk_token, or null.</param>
internal sealed record FolderTokenizer(string Path, TokenizerParts Parts, TokenizerConfig Config, int? Bos, int? Eos, int? Pad, int? Unk)
{
    /// <summary>Joins tokenizer.json with the rest.</summary>
    public static FolderTokenizer Of(TokenizerFiles files, string path, TokenizerParts parts) => Join(path, parts, TokenizerConfig.Read(files), null);

    /// <summary>Joins tokenizer.model with the rest; roles that no other file names are the model's.</summary>
    public static FolderTokenizer Of(string path, SentencePieceFolder model, TokenizerConfig config) => Join(path, model.Parts(path), config, model.File);

    /// <summary>Ids at which generation ends: EOS, then those of generation_config.json.</summary>
    public IReadOnlyList<int> StopIds => ReadStopIds(System.IO.Path.GetDirectoryName(Path) ?? "", Eos);

    /// <summary>As what callers get.</summary>
    public ModelTokenizer ToModel()
    {
        var template = Config.ChatTemplate is { } found ? new JinjaChatTemplate(found.Source, found.File, RoleTexts()) : null;
        return new ModelTokenizer(new HuggingFaceTokenizer(Parts, Bos, Eos), StopIds, Pad, Unk, template);
    }

    internal static List<int> ReadStopIds(string folder, int? eos)
    {
        string path = System.IO.Path.Combine(folder, "generation_config.json");
        IEnumerable<int> named = File.Exists(path) ? GenerationConfig.Read(path).EosIds : [];
        return (eos is { } id ? named.Prepend(id) : named).Distinct().ToList();
    }

    private static FolderTokenizer Join(string path, TokenizerParts parts, TokenizerConfig config, SentencePieceFile? model)
    {
        int IdOf(string token, string source) => parts.Vocabulary.IdOf(token) ?? throw new ModelFileException("TK014", path,
            $"has no token {Echo.Quote(token)}, which tokenizer_config.json or special_tokens_map.json names as {source}; the files do not belong together");
        int? RoleId(string role, int? usual) => config.SpecialTokens.TryGetValue(role, out string? token) ? IdOf(token, role) : usual;

        int? bos = RoleId("bos_token", model?.BosId), eos = RoleId("eos_token", model?.EosId);
        int? pad = RoleId("pad_token", model?.PadId), unk = RoleId("unk_token", model?.UnknownId);
        foreach ((string text, _) in config.OtherTokens)
            _ = IdOf(text, "an added token");
        parts = parts with { AddedTokens = MarkSpecial(parts, config) };
        if (config.Frame is { } frame)
            parts = parts with { Frame = new SpecialFrame(Frame(frame.Bos, bos, "bos"), Frame(frame.Eos, eos, "eos")) };
        else if (model is not null)
            parts = parts with { Frame = new SpecialFrame(bos is { } first ? [first] : [], []) };
        return new FolderTokenizer(path, parts, config, bos, eos, pad, unk);

        int[] Frame(bool wanted, int? id, string role) => !wanted ? [] : id is { } known ? [known] : throw new ModelFileException("TK014",
            System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path)!, "tokenizer_config.json"), $"asks for add_{role}_token, but there is no {role}_token; name one or set add_{role}_token to false");
    }

    private Dictionary<string, string> RoleTexts()
    {
        var texts = new Dictionary<string, string>(Config.SpecialTokens);
        foreach ((string role, int? id) in (ReadOnlySpan<(string, int?)>)[("bos_token", Bos), ("eos_token", Eos), ("pad_token", Pad), ("unk_token", Unk)])
            if (id is { } known && Parts.Vocabulary.TryGetToken(known, out string? text))
                _ = texts.TryAdd(role, text);
        return texts;
    }

    /// <summary>Tokens that the configuration gives a role are special even where tokenizer.json lists them as plain or not at all.</summary>
    private static List<AddedToken> MarkSpecial(TokenizerParts parts, TokenizerConfig config)
    {
        var tokens = parts.AddedTokens.ToList();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < tokens.Count; i++)
            _ = places.TryAdd(tokens[i].Content, i);
        foreach (string text in config.SpecialTokens.Values.Concat(config.OtherTokens.Where(t => t.Special).Select(t => t.Text)).Distinct())
        {
            if (places.TryGetValue(text, out int known))
                tokens[known] = tokens[known] with { Special = true };
            else if (parts.Vocabulary.IdOf(text) is { } id)
                tokens.Add(new AddedToken(id, text, Special: true));
        }
        return tokens;
    }
}
