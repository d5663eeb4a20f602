using System.Globalization;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>What the architectures of RWKV have in common.</summary>
public abstract class RwkvGguf : GgufArchitecture
{
    // RWKV has no longest context; llama.cpp asks for one, and for heads of attention, all the same.
    private const int Context = 1 << 20;
    private const int MostChannels = 1 << 24;
    private const double UsualHeadEps = 64e-5;
    private const string Epsilon = "attention.layer_norm_epsilon", HeadSize = "wkv.head_size";

    private protected RwkvGguf(string name, GgufNames names)
        : base(name, names)
    {
    }

    private protected static GgufNames Table(params GgufRule[] inner) => new(NamingTable.OfficialBlocks,
        [
            new("emb.weight", "token_embd.weight"), .. GgufRule.Affine("blocks.0.ln0", "token_embd_norm"), .. GgufRule.Affine("ln_out", "output_norm"), new("head.weight", "output.weight"),
        ],
        [
            .. GgufRule.Affine("ln1", "attn_norm"), .. GgufRule.Affine("ln2", "attn_norm_2"), .. GgufRule.Affine("att.ln_x", "time_mix_ln"),
            .. ((string[])["receptance", "key", "value"]).Select(n => new GgufRule($"att.{n}.weight", $"time_mix_{n}.weight")),
            new("ffn.key.weight", "channel_mix_key.weight"),
            .. inner,
        ]);

    private protected sealed override ModelConfig ReadModel(ITensorSource tensors, GgufKeys keys)
    {
        RwkvConfig config = RwkvConfig.Of(Official(tensors, Seed(keys)));
        foreach ((string name, int size) in (ReadOnlySpan<(string, int)>)[("embedding_length", config.HiddenSize), ("block_count", config.LayerCount), (HeadSize, config.HeadSize)])
            if (keys.Required(name, MostChannels) is var said && said != size)
                throw Contradicted(keys, name, said, size);
        foreach ((string name, int size) in (ReadOnlySpan<(string, int)>)[("feed_forward_length", config.IntermediateSize), .. Widths(config)])
            if (keys.Size(name, MostChannels, 0) is { } said && said != size && size > 0)
                throw Contradicted(keys, name, said, size);
        keys.PassOver("vocab_size", "context_length", "token_shift_count", "attention.head_count", "attention.layer_norm_rms_epsilon");
        int? ends = keys.Token("eos_token_id");
        return Complete(config with
        {
            NormEps = keys.Positive(Epsilon) ?? config.NormEps,
            TorchDType = tensors.Tensors.TryGetValue("blk.0.time_mix_key.weight", out TensorInfo? key) && key.DType is Numerics.DType.F32 or Numerics.DType.F16 or Numerics.DType.BF16 ? key!.DType : null,
            BosId = keys.Token("bos_token_id"),
            EosIds = ends is null ? config.EosIds : keys.Ends(),
            PadId = keys.Token("padding_token_id"),
        }, keys);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Losses(ModelConfig config) => Math.Abs(((RwkvConfig)config).HeadNormEps / UsualHeadEps - 1) > 1e-3
        ? [string.Create(CultureInfo.InvariantCulture, $"llama.cpp normalises heads with the epsilon {UsualHeadEps:R}, the model was made with {((RwkvConfig)config).HeadNormEps:R}; its results differ slightly")] : [];

    private protected sealed override void DescribeModel(ModelConfig config, GgufKeys keys)
    {
        var model = (RwkvConfig)config;
        keys.Set("context_length", Context);
        keys.Set("embedding_length", model.HiddenSize);
        keys.Set("block_count", model.LayerCount);
        keys.Set("feed_forward_length", model.IntermediateSize);
        keys.Set("attention.head_count", 0);
        keys.Set(Epsilon, model.NormEps);
        keys.Set(HeadSize, model.HeadSize);
        keys.Set("token_shift_count", 2);
        keys.Set("vocab_size", model.VocabularySize);
        DescribeRest(model, keys);
        foreach ((string name, int size) in Widths(model))
            keys.Set(name, size);
    }

    private protected virtual void DescribeRest(RwkvConfig config, GgufKeys keys)
    {
    }

    private protected virtual RwkvConfig Complete(RwkvConfig config, GgufKeys keys) => config;

    /// <summary>The keys of the low-rank paths' widths, which the tensors have too.</summary>
    private protected abstract IEnumerable<(string Key, int Size)> Widths(RwkvConfig config);

    /// <summary>What the forms of tensors depend on, from which all other sizes are then read.</summary>
    private protected virtual RwkvConfig Seed(GgufKeys keys) => new()
    {
        ModelType = Name,
        Version = Name == "rwkv7" ? 7 : 6,
        VocabularySize = 1,
        HiddenSize = keys.Required("embedding_length", MostChannels),
        LayerCount = keys.Required("block_count", MostChannels),
        HeadSize = keys.Required(HeadSize, MostChannels) is var size && keys.Required("embedding_length", MostChannels) % size == 0 ? size
            : throw keys.Values.Error("GA005", keys.Key(HeadSize), string.Create(CultureInfo.InvariantCulture, $"is {size}, which does not divide the channels")),
        MaxPositions = int.MaxValue,
        IntermediateSize = 1,
        DecayRank = 1,
    };

    private static ModelFileException Contradicted(GgufKeys keys, string name, int said, int size) =>
        keys.Values.Error("GA005", keys.Key(name), string.Create(CultureInfo.InvariantCulture, $"is {said}, but the tensors have {size}; the file is damaged"));

    private protected sealed override int Amount(GgufRule rule, string block, ModelConfig config) => (rule.Form, (RwkvConfig)config) switch
    {
        (GgufForm.Flat or GgufForm.Heads, var model) => model.HeadCount,
        (GgufForm.Divided, { RescaleEvery: > 0 and var every }) => 1 << Math.Min(int.Parse(block, CultureInfo.InvariantCulture) / every, 30),
        _ => 1,
    };
}
