using System.Text.Json;
using System.Text.Json.Nodes;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;

namespace Marrow.Formats.Conversion;

/// <summary>The config.json that goes beside written weights.</summary>
internal static class ModelConfigText
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, IndentSize = 2, NewLine = "\n" };

    /// <summary>
    /// The original's text where nothing in it is changed by the weights: keys that are unknown here stay as they are. Otherwise with the type of the
    /// matrices and, in the Llama family, whether the head is the embedding. Null where the model has no such text and none can be made.
    /// </summary>
    public static string? For(ModelConfig config, DType matrices)
    {
        if (config.RawJson is not { } raw)
            return config is LlamaConfig made ? (made with { TorchDType = matrices }).ToJson() : null;
        bool? tied = (config as LlamaConfig)?.TiedEmbeddings;
        bool sameTie = tied is null || tied == LlamaConfig.Parse(raw).TiedEmbeddings;
        // Of other types (fp8) the text says more than is known here.
        bool sameType = !matrices.IsFloat() || matrices == (config.TorchDType ?? DType.F32);
        if (sameTie && sameType)
            return raw;
        JsonObject fields = JsonNode.Parse(raw.TrimStart('\uFEFF'))!.AsObject();
        if (!sameTie)
            fields["tie_word_embeddings"] = tied;
        // Newer programs read "dtype", older ones "torch_dtype"; a text may have both.
        if (!sameType)
            foreach (string key in ((string[])["torch_dtype", "dtype"]).Where(fields.ContainsKey).DefaultIfEmpty("torch_dtype").ToArray())
                fields[key] = NameOf(matrices);
        return fields.ToJsonString(Indented) + "\n";
    }

    /// <summary>The config.json of an RWKV-7 model under flash-linear-attention's names (spec/architectures.md §4.3).</summary>
    public static string Fla7(RwkvConfig config, DType matrices) => new JsonObject
    {
        ["a_low_rank_dim"] = config.RateRank,
        ["architectures"] = new JsonArray("RWKV7ForCausalLM"),
        ["attn"] = null,
        ["attn_mode"] = "chunk",
        ["bos_token_id"] = config.BosId ?? 0,
        ["decay_low_rank_dim"] = config.DecayRank,
        ["eos_token_id"] = config.EosIds.Count > 0 ? config.EosIds[0] : 0,
        ["fuse_cross_entropy"] = true,
        ["fuse_norm"] = false,
        ["gate_low_rank_dim"] = config.GateRank,
        ["head_dim"] = config.HeadSize,
        ["hidden_act"] = "sqrelu",
        ["hidden_ratio"] = (double)config.IntermediateSize / config.HiddenSize,
        ["hidden_size"] = config.HiddenSize,
        ["initializer_range"] = 0.02,
        ["intermediate_size"] = config.IntermediateSize,
        ["max_position_embeddings"] = 4096,
        ["model_type"] = "rwkv7",
        ["norm_bias"] = true,
        ["norm_eps"] = config.NormEps,
        ["norm_first"] = true,
        ["num_heads"] = config.HeadCount,
        ["num_hidden_layers"] = config.LayerCount,
        ["pad_token_id"] = config.PadId,
        ["tie_word_embeddings"] = false,
        ["torch_dtype"] = NameOf(matrices),
        ["use_cache"] = true,
        ["v_low_rank_dim"] = config.ValueRank,
        ["vocab_size"] = config.VocabularySize,
    }.ToJsonString(Indented) + "\n";

    private static string NameOf(DType type) => type switch
    {
        DType.BF16 => "bfloat16",
        DType.F16 => "float16",
        DType.F64 => "float64",
        _ => "float32",
    };
}
