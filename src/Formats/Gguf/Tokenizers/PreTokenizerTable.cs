using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>What the values of tokenizer.ggml.pre mean (spec/formats.md §7.4).</summary>
internal static class PreTokenizerTable
{
    private const string ThreeDigits = "[0-9][0-9][0-9]";

    private const string EastAsian = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";

    private const string DeepSeekV3 =
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Tekken =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|" +
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Qwen35 = KnownPatterns.Contraction + @"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string SeedCoder = KnownPatterns.Contraction + @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string MiniCpm5 = KnownPatterns.Contraction + @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    // Cased letters as of Unicode 11.
    private const string CasedLetters =
        "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376-\u0377" +
        "\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556" +
        "\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15" +
        "\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE" +
        "\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113" +
        "\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183-\u2184" +
        "\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2-\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E" +
        "\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3" +
        "\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943";

    private static readonly PreTokenizerRow[] Rows =
    [
        new(["gpt-2", "phi-2", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "jina-v2-code", "gigachat", "roberta-bpe", "mpt", "olmo", "jais",
            "a.x-4.0", "mellum", "exaone4", "trillion", "granite-docling", "modern-bert"],
            [KnownPatterns.Gpt2]),
        new(["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"], [KnownPatterns.Llama3], IgnoreMerges: true, AddBos: true),
        new(["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], [KnownPatterns.Llama3]),
        new(["qwen2"], [KnownPatterns.Qwen2], Nfc: true),
        new(["stablelm2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2", "hunyuan", "solar-open", "grok-2", "bailingmoe", "bailingmoe2", "llada-moe"], [KnownPatterns.Qwen2]),
        new(["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"], [@"\p{N}", KnownPatterns.Gpt2]),
        new(["falcon"], [@"[\p{P}\$\+<=>\^~\|`]+", KnownPatterns.Gpt2, ThreeDigits]),
        new(["default"], [@"[\p{P}\$\+<=>\^~\|]+", KnownPatterns.Gpt2, @"\p{N}+", ThreeDigits]),
        new(["deepseek-coder"], [@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", EastAsian, @"\p{N}"]),
        new(["deepseek-llm"],
            [@"[\r\n]", @"\s?[" + CasedLetters + "]+", @"\s?[!-/:-~" + "\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", KnownPatterns.TrailingSpaces, EastAsian, @"\p{N}+"]),
        new(["deepseek-v3"], [@"\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", DeepSeekV3]),
        new(["tekken"], [Tekken], IgnoreMerges: true, AddBos: true),
        new(["gpt-4o", "llama4", "kanana2", "minimax-m2", "talkie"], [KnownPatterns.O200k]),
        new(["qwen35"], [Qwen35]),
        new(["seed-coder"], [SeedCoder]),
        new(["minicpm5"], [@"\p{N}{1,3}", MiniCpm5], IgnoreMerges: true),
        new(["bloom", "poro-chat", "gpt3-finnish"], [KnownPatterns.Bloom]),
        new(["viking"], [KnownPatterns.Bloom, @"\p{N}"]),
        new(["chameleon"],
            ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\t\n]|    |  )", @"\p{N}", @"[\p{P}!-/:-@\[-`{-~]", KnownPatterns.Gpt2], AddBos: true),
    ];

    /// <summary>The row of a value; null where it is not known. Without a value it is "default".</summary>
    public static PreTokenizerRow? Find(string? name) => Rows.FirstOrDefault(r => r.Names.Contains(name ?? "default"));

    /// <summary>The row that cuts at these canonical patterns; null where no value means that.</summary>
    public static PreTokenizerRow? Find(IReadOnlyList<string> canonical, bool ignoreMerges, bool nfc) => Rows.FirstOrDefault(r =>
        r.IgnoreMerges == ignoreMerges && r.Nfc == nfc && r.Patterns.Select(KnownPatterns.Canonical).SequenceEqual(canonical));

    /// <summary>Every value that is known, for messages.</summary>
    public static string Names => string.Join(", ", Rows.SelectMany(r => r.Names));
}
