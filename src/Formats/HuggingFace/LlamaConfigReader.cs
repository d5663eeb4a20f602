using Marrow.Formats.Numerics;

namespace Marrow.Formats.HuggingFace;

/// <summary>Resolves the keys of a config.json as the model classes of Hugging Face do.</summary>
internal static class LlamaConfigReader
{
    private const int MostLayers = 10_000;
    private const int MostHeads = 1 << 14;

    /// <summary>The most channels of a head; larger ones are no model's.</summary>
    internal const int MostHeadDim = 4096;

    private const int MostChannels = 1 << 24;
    private const int MostIds = 1 << 28;
    private const int MostPositions = 1 << 30;
    private const string GeluTanh = "gelu_pytorch_tanh";

    public static LlamaConfig Read(JsonFields config)
    {
        string type = config.Text("model_type") ?? throw config.Error("HF008", "model_type", $"is missing; supported are {Supported}");
        if (type == "gemma3")
            throw config.Error("HF008", "model_type", "'gemma3' is a model of images and text, of which an adapter of the text part alone would not fit the whole; "
                + "save its text part as a model of its own (transformers: Gemma3ForCausalLM.from_pretrained, save_pretrained; model_type gemma3_text) and give that");
        if (!LlamaConfig.SupportedTypes.Contains(type))
            throw config.Error("HF008", "model_type", $"'{Echo.Name(type)}' is not supported; supported are {Supported}");
        StoredQuantisation.Check(config);
        // The gemma classes read a key of their own, and have sizes of their own where the file gives none.
        bool gemma2 = type == "gemma2", gemma = gemma2 || type == "gemma3_text";
        string key = gemma ? "hidden_activation" : "hidden_act", activation = config.Text(key) ?? (gemma ? GeluTanh : "silu");
        if (!(gemma ? activation == GeluTanh : activation is "silu" or "swish"))
            throw config.Error("HF010", key, $"'{Echo.Name(activation)}' is not supported; only {(gemma ? GeluTanh : "silu")} is");
        if (gemma && config.Flag("use_bidirectional_attention") == true)
            throw config.Error("HF010", "use_bidirectional_attention", "is true: this is a model for embeddings, which does not predict the next token");

        int hidden = Size(config, "hidden_size", MostChannels), heads = Size(config, "num_attention_heads", MostHeads, gemma ? 8 : null);
        int layers = (int)(config.Integer("num_hidden_layers", 1, MostLayers, "HF005")
            ?? throw config.Error("HF005", "num_hidden_layers", "is missing"));
        int keyValueHeads = (int)(config.Integer("num_key_value_heads", 1, MostHeads, "HF003") ?? (gemma && !config.Contains("num_key_value_heads") ? 4 : heads));
        if (heads % keyValueHeads != 0)
            throw config.Error("HF004", "num_key_value_heads", $"{keyValueHeads} does not divide num_attention_heads {heads}");
        int maxPositions = (int)(config.Integer("max_position_embeddings", 1, MostPositions, "HF003") ?? UsualMaxPositions(type));
        var (theta, scaling, localTheta) = type == "gemma3_text" ? RopeScalingReader.ReadByLayerType(config, maxPositions) : RopeScalingReader.Read(config, maxPositions);
        // The qwen2 class has its q, k, v biases fixed, the mistral class has none; neither looks at attention_bias.
        bool attentionBias = (gemma || type is "llama" or "qwen3") && (config.Flag("attention_bias") ?? false);
        return new LlamaConfig
        {
            ModelType = type,
            VocabularySize = Size(config, "vocab_size", MostIds, gemma ? gemma2 ? 256_000 : 262_208 : null),
            HiddenSize = hidden,
            IntermediateSize = Size(config, "intermediate_size", MostChannels),
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = keyValueHeads,
            HeadDim = HeadDim(config, type, hidden, heads),
            MaxPositions = maxPositions,
            RmsNormEps = config.Positive("rms_norm_eps", "HF003") ?? 1e-6,
            RopeTheta = theta,
            RopeScaling = scaling,
            LocalRopeTheta = localTheta,
            Windows = WindowReader.Read(config, type, layers),
            QueryKeyValueBias = type == "qwen2" || attentionBias,
            OutputBias = attentionBias,
            MlpBias = type == "llama" && (config.Flag("mlp_bias") ?? false),
            QueryKeyNorm = type is "qwen3" or "gemma3_text",
            QueryPreAttentionScalar = gemma ? Bounded(config, "query_pre_attn_scalar") ?? 256 : null,
            AttentionSoftCap = gemma ? SoftCap(config, "attn_logit_softcapping", gemma2 ? 50 : null) : null,
            FinalSoftCap = gemma ? SoftCap(config, "final_logit_softcapping", gemma2 ? 30 : null) : null,
            NormOffset = gemma ? 1 : 0,
            OutputNorms = gemma,
            GeluGate = gemma,
            ScaledEmbedding = gemma,
            TiedEmbeddings = config.Flag("tie_word_embeddings") ?? gemma,
            TorchDType = StoredType(config, "dtype") ?? StoredType(config, "torch_dtype"),
            BosId = Ids(config, "bos_token_id") is [var bos, ..] ? bos : null,
            EosIds = Ids(config, "eos_token_id"),
            PadId = Ids(config, "pad_token_id") is [var pad, ..] ? pad : null,
        };
    }

    /// <summary>Token ids of a key that holds one or several; negative ones mean none, as in some old files.</summary>
    internal static IReadOnlyList<int> Ids(JsonFields config, string key)
    {
        IReadOnlyList<long> ids = config.Integers(key) ?? [];
        return ids.All(id => id <= int.MaxValue) ? [.. ids.Where(id => id >= 0).Select(id => (int)id)]
            : throw config.Error("HF003", key, $"holds {ids.Max()}, which is above {int.MaxValue}");
    }

    private static string Supported => string.Join(", ", LlamaConfig.SupportedTypes.Concat(Rwkv.RwkvConfig.SupportedTypes));

    // Null means none; only where the key is absent does the class's own value hold.
    private static double? SoftCap(JsonFields config, string key, double? usual) =>
        Bounded(config, key) ?? (config.Contains(key) ? null : usual);

    private static double? Bounded(JsonFields config, string key) => config.Number(key) is { } value and not (>= 1e-6 and <= 1e9)
        ? throw config.Error("HF003", key, $"is {value:R}, but must lie in 1e-6 … 1e9") : config.Number(key);

    private static int Size(JsonFields config, string key, int most, int? usual = null) =>
        (int)(config.Integer(key, 1, most, "HF003") ?? usual ?? throw config.Error("HF003", key, "is missing"));

    private static int HeadDim(JsonFields config, string type, int hidden, int heads)
    {
        int? given = (int?)config.Integer("head_dim", 1, MostHeadDim, "HF003");
        // Some classes have a head size of their own that does not follow from the others.
        if (given is null && !config.Contains("head_dim"))
            given = type switch { "qwen3" => 128, "gemma2" or "gemma3_text" => 256, _ => null };
        if (given is null && hidden % heads != 0)
            throw config.Error("HF004", "num_attention_heads", $"{heads} does not divide hidden_size {hidden}, and 'head_dim' is absent");
        int channels = given ?? hidden / heads;
        if (channels > MostHeadDim)
            throw config.Error("HF003", "num_attention_heads", $"{heads} of hidden_size {hidden} makes heads of {channels} channels; at most {MostHeadDim} are supported");
        return channels % 2 == 0 ? channels : throw config.Error("HF004", "head_dim", $"is {channels}, but rotary positions need an even number");
    }

    private static int UsualMaxPositions(string type) => type switch
    {
        "llama" => 2048,
        "mistral" or "gemma3_text" => 131_072,
        "gemma2" => 8192,
        _ => 32_768,
    };

    internal static DType? StoredType(JsonFields config, string key) => config.Text(key) switch
    {
        null or "auto" => null,
        "float32" or "torch.float32" => DType.F32,
        "bfloat16" or "torch.bfloat16" => DType.BF16,
        "float16" or "torch.float16" => DType.F16,
        "float64" or "torch.float64" => DType.F64,
        var other => throw config.Error("HF006", key, $"'{Echo.Name(other)}' is not supported; supported are float32, bfloat16, float16, float64"),
    };
}
