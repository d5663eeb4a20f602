using System.Globalization;
using System.Text;
using System.Text.Json;
using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Tokenizers;

/// <summary>What tokenizer_config.json, special_tokens_map.json and chat_template.jinja add to tokenizer.json (spec/formats.md §6.1).</summary>
internal sealed record TokenizerConfig
{
    private static readonly string[] Roles = ["bos_token", "eos_token", "pad_token", "unk_token"];

    // The classes of transformers whose fast tokenizers build their post-processor from add_bos_token and add_eos_token;
    // all others leave the file's own in place.
    private static readonly string[] FramedByConfig = ["LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "CohereTokenizer"];

    /// <summary>Token texts by role: bos_token, eos_token, pad_token, unk_token.</summary>
    public required IReadOnlyDictionary<string, string> SpecialTokens { get; init; }

    /// <summary>Further tokens without a role (additional_special_tokens, added_tokens_decoder), and whether each is special.</summary>
    public required IReadOnlyList<(string Text, bool Special)> OtherTokens { get; init; }

    /// <summary>The tokens of added_tokens_decoder with their ids.</summary>
    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }

    /// <summary>Whether BOS and EOS frame a text whatever the post-processor says, or null where the post-processor decides.</summary>
    public (bool Bos, bool Eos)? Frame { get; init; }

    /// <summary>The Jinja source and the file it comes from.</summary>
    public (string Source, string File)? ChatTemplate { get; init; }

    /// <summary>The templates besides <see cref="ChatTemplate"/>, by name.</summary>
    public IReadOnlyList<(string Name, string Source)> OtherTemplates { get; init; } = [];

    public static TokenizerConfig Read(TokenizerFiles files)
    {
        var tokens = new Dictionary<string, string>();
        var mentioned = new HashSet<string>();
        var others = new List<(string, bool)>();
        var added = new List<AddedToken>();
        var config = new TokenizerConfig { SpecialTokens = tokens, OtherTokens = others, AddedTokens = added };
        if (files.Config is { } main)
        {
            config = JsonAt.ReadFile(main, root =>
            {
                ReadTokens(root, tokens, mentioned, others);
                foreach ((string id, JsonAt token) in root.Optional("added_tokens_decoder")?.Members() ?? [])
                    added.Add(AddedToken.Read(token, IdOf(id, token)));
                others.AddRange(added.Select(t => (t.Content, t.Special)));
                (string, string)? template = ReadTemplate(root, out List<(string, string)> otherTemplates);
                return config with { Frame = ReadFrame(root), ChatTemplate = template, OtherTemplates = otherTemplates };
            });
        }
        if (files.SpecialTokens is { } map)
        {
            _ = JsonAt.ReadFile(map, root =>
            {
                ReadTokens(root, tokens, mentioned, others);
                return true;
            });
        }
        return files.ChatTemplate is { } template ? config with { ChatTemplate = (ReadText(template), template) } : config;
    }

    /// <summary>A role that one file mentions, even as null, is not looked up in the next.</summary>
    private static void ReadTokens(JsonAt root, Dictionary<string, string> tokens, HashSet<string> mentioned, List<(string, bool)> others)
    {
        foreach (string role in Roles)
        {
            JsonAt? token = root.Optional(role);
            if (root.Value.TryGetProperty(role, out _) && mentioned.Add(role) && token is not null)
                tokens.Add(role, TokenText(token.Value));
        }
        foreach (JsonAt token in root.Optional("additional_special_tokens")?.Items() ?? [])
            others.Add((TokenText(token), true));
    }

    private static int IdOf(string id, JsonAt token) =>
        int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value <= Vocabulary.LargestId ? value
            : throw token.Error("TK003", $"{Echo.Quote(id)} is not an integer from 0 to {Vocabulary.LargestId}");

    private static string TokenText(JsonAt token) => token.Kind == JsonValueKind.Object ? token.Text("content") : token.Text();

    private static (bool, bool)? ReadFrame(JsonAt root)
    {
        string name = root.OptionalText("tokenizer_class") ?? "";
        name = name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^4] : name;
        return FramedByConfig.Contains(name) ? (root.Flag("add_bos_token", true), root.Flag("add_eos_token", false)) : null;
    }

    private static (string, string)? ReadTemplate(JsonAt root, out List<(string, string)> others)
    {
        others = [];
        if (root.Optional("chat_template") is not { } template)
            return null;
        if (template.Kind == JsonValueKind.String)
            return (template.Text(), template.File);
        var named = template.Items().Select(t => (Name: t.Text("name"), Source: t.Text("template"))).ToList();
        if (named.Count == 0)
            return null;
        int chosen = named.Count == 1 ? 0 : named.FindIndex(t => t.Name == "default");
        if (chosen >= 0)
            others = [.. named.Where((_, i) => i != chosen)];
        return chosen >= 0 ? (named[chosen].Source, template.File)
            : throw template.Error("TK009", "there are several chat templates and none is named 'default'; name one so, or put it into chat_template.jinja");
    }

    private static string ReadText(string path)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(InputFile.ReadAll(path)).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException e)
        {
            throw new ModelFileException("TK008", path, $"is not UTF-8 text: {Echo.Reason(e)}; save it as UTF-8", e);
        }
    }
}
