namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>The keys of GGUF metadata that describe a tokenizer (spec/formats.md §2.7).</summary>
internal static class TokenizerKeys
{
    public const string Model = "tokenizer.ggml.model";
    public const string Pre = "tokenizer.ggml.pre";
    public const string Tokens = "tokenizer.ggml.tokens";
    public const string Scores = "tokenizer.ggml.scores";
    public const string Types = "tokenizer.ggml.token_type";
    public const string Merges = "tokenizer.ggml.merges";
    public const string Bos = "tokenizer.ggml.bos_token_id";
    public const string Eos = "tokenizer.ggml.eos_token_id";
    public const string Eot = "tokenizer.ggml.eot_token_id";
    public const string Eom = "tokenizer.ggml.eom_token_id";
    public const string Unknown = "tokenizer.ggml.unknown_token_id";
    public const string Padding = "tokenizer.ggml.padding_token_id";
    public const string AddBos = "tokenizer.ggml.add_bos_token";
    public const string AddEos = "tokenizer.ggml.add_eos_token";
    public const string AddSpace = "tokenizer.ggml.add_space_prefix";
    public const string CollapseSpaces = "tokenizer.ggml.remove_extra_whitespaces";
    public const string Charsmap = "tokenizer.ggml.precompiled_charsmap";
    public const string ChatTemplate = "tokenizer.chat_template";
    public const string ChatTemplateNames = "tokenizer.chat_templates";

    /// <summary>Further ids at which generation ends.</summary>
    public static readonly string[] OtherEnds =
        [Eot, Eom, "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id", "tokenizer.ggml.fim_sep_token_id"];
}
