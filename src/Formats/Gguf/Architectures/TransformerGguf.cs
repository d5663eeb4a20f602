using System.Globalization;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Views;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>What the architectures of attention layers have in common.</summary>
public abstract class TransformerGguf : GgufArchitecture
{
    private const int MostLayers = 10_000, MostHeads = 1 << 14, MostChannels = 1 << 24, MostPositions = 1 << 30;

    private protected const string RopeFactors = "rope_freqs.weight";

    private protected TransformerGguf(string name, GgufNames names)
        : base(name, names)
    {
    }

    private protected static GgufNames Table(params GgufRule[] inner) => new("model.layers.",
        [
            new("model.embed_tokens.weight", "token_embd.weight"), new("lm_head.weight", "output.weight"),
            // Gemma's norms say so themselves.
            .. inner.Any(r => r.Form == GgufForm.PlusOne) ? (GgufRule[])[new("model.norm.weight", "output_norm.weight", GgufForm.PlusOne)] : [new("model.norm.weight", "output_norm.weight")],
        ],
        [
            .. inner,
            .. GgufRule.Affine("self_attn.v_proj", "attn_v"), .. GgufRule.Affine("self_attn.o_proj", "attn_output"),
            .. GgufRule.Affine("mlp.gate_proj", "ffn_gate"), .. GgufRule.Affine("mlp.up_proj", "ffn_up"), .. GgufRule.Affine("mlp.down_proj", "ffn_down"),
        ]);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Losses(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var model = (LlamaConfig)config;
        List<string> losses = [];
        if (!RopeKeys.HasUsualRamp(model.RopeScaling))
            losses.Add("llama.cpp stretches frequencies between 32 and 1 rotations by yarn, other numbers than the model's; its results differ");
        if (Name != "llama" && (model.OutputBias || model.MlpBias))
            losses.Add($"llama.cpp knows no biases of attn_output and ffn_… in {Name} and will not open the file; other programs may");
        return losses;
    }

    private protected sealed override ModelConfig ReadModel(ITensorSource tensors, GgufKeys keys)
    {
        GgufMetadata values = keys.Values;
        keys.PassOver("vocab_size", "expert_used_count", "rope.scaling.finetuned", "tensor_data_layout", "attention.layer_norm_epsilon");
        if (keys.Size("expert_count", int.MaxValue, 0) is { } experts and > 0)
            throw values.Error("GA005", keys.Key("expert_count"), string.Create(CultureInfo.InvariantCulture, $"is {experts}: models that mix experts are not supported"));
        if (values.Flag(keys.Key("attention.causal")) == false)
            throw values.Error("GA005", keys.Key("attention.causal"), "is false: this is a model for embeddings, which does not predict the next token");
        int hidden = keys.Required("embedding_length", MostChannels), heads = keys.Required("attention.head_count", MostHeads);
        int keyHeads = keys.Size("attention.head_count_kv", MostHeads) ?? heads;
        if (heads % keyHeads != 0)
            throw values.Error("GA005", keys.Key("attention.head_count_kv"), string.Create(CultureInfo.InvariantCulture, $"is {keyHeads}, which does not divide the {heads} heads"));
        TensorInfo embedding = tensors.Require("token_embd.weight");
        if (embedding.Shape is not [> 0 and <= 1 << 28, var channels] || channels != hidden)
            throw new ModelFileException("GA003", values.Path, string.Create(CultureInfo.InvariantCulture, $"tensor 'token_embd.weight' is {embedding.ShapeText}, but {keys.Key("embedding_length")} says rows of {hidden}; the file is damaged"));
        int positions = keys.Required("context_length", MostPositions);
        var config = new LlamaConfig
        {
            ModelType = Name,
            VocabularySize = (int)embedding.Shape[0],
            HiddenSize = hidden,
            IntermediateSize = keys.Required("feed_forward_length", MostChannels),
            LayerCount = keys.Required("block_count", MostLayers),
            HeadCount = heads,
            KeyValueHeadCount = keyHeads,
            HeadDim = HeadDim(keys, hidden, heads),
            MaxPositions = positions,
            RmsNormEps = keys.Positive("attention.layer_norm_rms_epsilon") ?? throw values.Error("GA004", keys.Key("attention.layer_norm_rms_epsilon"), "is missing; the file is not whole"),
            RopeTheta = keys.Positive("rope.freq_base") ?? 10_000,
            QueryKeyValueBias = tensors.Tensors.ContainsKey("blk.0.attn_q.bias"),
            OutputBias = tensors.Tensors.ContainsKey("blk.0.attn_output.bias"),
            MlpBias = tensors.Tensors.ContainsKey("blk.0.ffn_gate.bias"),
            TiedEmbeddings = !tensors.Tensors.ContainsKey("output.weight"),
            TorchDType = tensors.Tensors.TryGetValue("blk.0.ffn_down.weight", out TensorInfo? down) && down.DType.IsFloat() ? down.DType : null,
            BosId = keys.Token("bos_token_id"),
            EosIds = keys.Ends(),
            PadId = keys.Token("padding_token_id"),
        };
        config = config with { RopeScaling = RopeKeys.Read(keys, config, tensors) };
        return Complete(config, keys);
    }

    private protected sealed override void DescribeModel(ModelConfig config, GgufKeys keys)
    {
        var model = (LlamaConfig)config;
        keys.Set("context_length", model.MaxPositions);
        keys.Set("embedding_length", model.HiddenSize);
        keys.Set("block_count", model.LayerCount);
        keys.Set("feed_forward_length", model.IntermediateSize);
        keys.Set("attention.head_count", model.HeadCount);
        keys.Set("attention.head_count_kv", model.KeyValueHeadCount);
        keys.Set("attention.key_length", model.HeadDim);
        keys.Set("attention.value_length", model.HeadDim);
        keys.Set("attention.layer_norm_rms_epsilon", model.RmsNormEps);
        keys.Set("rope.dimension_count", model.HeadDim);
        keys.Set("rope.freq_base", model.RopeTheta);
        keys.Set("vocab_size", model.VocabularySize);
        RopeKeys.Write(keys, model, Name == "llama");
        DescribeRest(model, keys);
    }

    /// <summary>What the architecture says beyond what all have.</summary>
    private protected abstract LlamaConfig Complete(LlamaConfig config, GgufKeys keys);

    private protected abstract void DescribeRest(LlamaConfig config, GgufKeys keys);

    private protected override int Amount(GgufRule rule, string block, ModelConfig config) => rule.Form switch
    {
        GgufForm.QueryRows => ((LlamaConfig)config).HeadCount,
        GgufForm.KeyRows => ((LlamaConfig)config).KeyValueHeadCount,
        _ => 1,
    };

    private protected override bool IsIdle(string ggufTensor) => ggufTensor == RopeFactors;

    private protected override IEnumerable<TensorView> Added(ITensorSource official, ModelConfig config) => ((LlamaConfig)config).RopeScaling is RopeScaling.Llama3
        ? [new MadeView(TensorView.Shown(RopeFactors, DType.F32, ((LlamaConfig)config).HeadDim / 2), Llama3Factors.Bytes((LlamaConfig)config))] : [];

    private static int HeadDim(GgufKeys keys, int hidden, int heads)
    {
        int? given = keys.Size("attention.key_length", LlamaConfigReader.MostHeadDim);
        if (given is null && hidden % heads != 0)
            throw keys.Values.Error("GA005", keys.Key("attention.head_count"), string.Create(CultureInfo.InvariantCulture, $"is {heads}, which does not divide the {hidden} channels, and there is no {keys.Key("attention.key_length")}"));
        int size = given ?? hidden / heads;
        if (size > LlamaConfigReader.MostHeadDim)
            throw keys.Values.Error("GA004", keys.Key("attention.head_count"), string.Create(CultureInfo.InvariantCulture, $"is {heads}, which makes heads of {size} channels; at most {LlamaConfigReader.MostHeadDim} are supported"));
        foreach (string other in (string[])["attention.value_length", "rope.dimension_count"])
            if (keys.Size(other, MostChannels, 0) is { } and var second && second != size)
                throw keys.Values.Error("GA005", keys.Key(other), string.Create(CultureInfo.InvariantCulture, $"is {second}, but a head has {size} channels; only models in which all of them hold values and rotate are supported"));
        return size % 2 == 0 ? size : throw keys.Values.Error("GA005", keys.Key("attention.key_length"), string.Create(CultureInfo.InvariantCulture, $"is {size}, but rotary positions need an even number"));
    }
}
