using System.Globalization;
using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>gemma2 and gemma3 (text). Files hold the weights of norms with the 1 added that Hugging Face's leave out.</summary>
public sealed class GemmaGguf : TransformerGguf
{
    private const double UsualAttentionCap = 50, UsualFinalCap = 30, UsualLocalTheta = 10_000;

    private readonly bool _second;

    internal GemmaGguf(string name)
        : base(name, Table(
        [
            .. GgufRule.Affine("self_attn.q_proj", "attn_q"), .. GgufRule.Affine("self_attn.k_proj", "attn_k"),
            Norm("input_layernorm", "attn_norm"), Norm("post_attention_layernorm", "post_attention_norm"),
            Norm("pre_feedforward_layernorm", "ffn_norm"), Norm("post_feedforward_layernorm", "post_ffw_norm"),
            .. name == "gemma3" ? (GgufRule[])[Norm("self_attn.q_norm", "attn_q_norm"), Norm("self_attn.k_norm", "attn_k_norm")] : [],
        ])) => _second = name == "gemma2";

    // Every second layer of Gemma-2 attends in full, the last of every six of Gemma-3.
    private int Period => _second ? 2 : 6;

    private int? Window => _second ? 4096 : null;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Losses(ModelConfig config)
    {
        List<string> losses = [.. base.Losses(config)];
        var model = (LlamaConfig)config;
        if (_second && !model.TiedEmbeddings)
            losses.Add("llama.cpp knows no output.weight of its own in gemma2 and will not open the file; other programs may");
        if (!WindowKeys.IsPeriodic(model.Windows, Period))
            losses.Add($"llama.cpp knows only layers that slide in turn, in {Name} all but the last of every {Period} where it is told no other number; its results differ beyond the window");
        return losses;
    }

    private protected override LlamaConfig Complete(LlamaConfig config, GgufKeys keys)
    {
        double? localTheta = keys.Positive("rope.freq_base_swa");
        if (_second && localTheta is { } other && other != config.RopeTheta)
            throw keys.Values.Error("GA005", keys.Key("rope.freq_base_swa"), string.Create(CultureInfo.InvariantCulture, $"is {other:R}, but layers of {Name} rotate alike, by {config.RopeTheta:R}"));
        return config with
        {
            ModelType = _second ? Name : "gemma3_text",
            LocalRopeTheta = _second ? null : localTheta ?? UsualLocalTheta,
            Windows = WindowKeys.Read(keys, config.LayerCount, Period, Window),
            QueryKeyNorm = !_second,
            QueryPreAttentionScalar = Scalar(config),
            AttentionSoftCap = _second ? keys.Positive("attn_logit_softcapping") ?? UsualAttentionCap : null,
            FinalSoftCap = keys.Positive("final_logit_softcapping") ?? (_second ? UsualFinalCap : null),
            NormOffset = 1,
            OutputNorms = true,
            GeluGate = true,
            ScaledEmbedding = true,
        };
    }

    private protected override void DescribeRest(LlamaConfig config, GgufKeys keys)
    {
        if (config.QueryPreAttentionScalar is { } scalar && scalar != Scalar(config))
            throw keys.Values.Error("GA006", "query_pre_attn_scalar", string.Create(CultureInfo.InvariantCulture,
                $"of the model is {scalar:R}, for which GGUF has no key: its readers take {Scalar(config):R} for a {Name} of these sizes; keep the model in another kind of file"));
        if (_second ? config.AttentionSoftCap is null || config.FinalSoftCap is null : config.AttentionSoftCap is not null)
            throw keys.Values.Error("GA006", keys.Key("attn_logit_softcapping"), $"has to {(_second ? "be a number, as the cap of the logits" : "be left out")}: readers of GGUF know {Name} so only; keep the model in another kind of file");
        if (config.AttentionSoftCap is { } cap)
            keys.Set("attn_logit_softcapping", cap);
        if (config.FinalSoftCap is { } final)
            keys.Set("final_logit_softcapping", final);
        if (config.LocalRopeTheta is { } local)
            keys.Set("rope.freq_base_swa", local);
        WindowKeys.Write(keys, config.Windows, Period, Window);
    }

    // Files do not say it; llama.cpp knows the largest model, whose scale is not its heads', by its layers.
    private double Scalar(LlamaConfig config) => config.LayerCount == (_second ? 46 : 62) ? config.HiddenSize / config.HeadCount : config.HeadDim;

    private static GgufRule Norm(string official, string gguf) => new($"{official}.weight", $"{gguf}.weight", GgufForm.PlusOne);
}
