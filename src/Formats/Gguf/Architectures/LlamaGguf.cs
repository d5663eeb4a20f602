using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>
/// llama (also of Mistral), qwen2 and qwen3. Files of llama have the rows of q and k in the order of a rotation of neighbours; the others keep Hugging Face's
/// (spec/formats.md §6.3).
/// </summary>
public sealed class LlamaGguf : TransformerGguf
{
    internal LlamaGguf(string name)
        : base(name, Table(
        [
            .. GgufRule.Affine("self_attn.q_proj", "attn_q", name == "llama" ? GgufForm.QueryRows : GgufForm.Same),
            .. GgufRule.Affine("self_attn.k_proj", "attn_k", name == "llama" ? GgufForm.KeyRows : GgufForm.Same),
            new("input_layernorm.weight", "attn_norm.weight"), new("post_attention_layernorm.weight", "ffn_norm.weight"),
            .. name == "qwen3" ? (GgufRule[])[new("self_attn.q_norm.weight", "attn_q_norm.weight"), new("self_attn.k_norm.weight", "attn_k_norm.weight")] : [],
        ]))
    {
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Losses(ModelConfig config) => ((LlamaConfig)config).Windows.Any(w => w is not null)
        ? [.. base.Losses(config), "llama.cpp attends in full in layers that slide here; beyond the window its results differ"] : base.Losses(config);

    private protected override LlamaConfig Complete(LlamaConfig config, GgufKeys keys)
    {
        // Not llama.cpp's own keys for these architectures, but ours for what Hugging Face's models do.
        IReadOnlyList<int?> windows = WindowKeys.Read(keys, config.LayerCount, null);
        if (keys.Positive("attention.scale") is { } scale && Math.Abs(scale * scale * config.HeadDim - 1) > 1e-5)
            throw keys.Values.Error("GA005", keys.Key("attention.scale"), "is not that of the head's size; such a model is not supported");
        return config with
        {
            ModelType = Name == "llama" && windows.Any(w => w is not null) ? "mistral" : Name,
            Windows = windows,
            QueryKeyNorm = Name == "qwen3",
        };
    }

    private protected override void DescribeRest(LlamaConfig config, GgufKeys keys) => WindowKeys.Write(keys, config.Windows, null);
}
