using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Models;

/// <summary>The Llama family: llama, mistral, qwen2, qwen3, gemma2 and gemma3_text, which differ by configuration only (spec/architectures.md §2).</summary>
public sealed class Llama : CausalModel
{
    private readonly Weight _embedding, _norm;
    private readonly DecoderBlock[] _blocks;
    private readonly LinearLayer[] _linears;
    private readonly RopeTable _rope;
    private readonly RopeTable? _localRope;
    private readonly float _embeddingFactor;
    private Weight _head;

    /// <summary>Builds the model; <paramref name="weight"/> supplies the tensor of each name and shape ([out, in], norms and biases fp32).</summary>
    public Llama(Device device, LlamaConfig config, Func<string, Shape, Tensor> weight)
        : base(device)
    {
        Config = config;
        int c = config.HiddenSize, d = config.HeadDim, f = config.IntermediateSize, q = config.HeadCount * d, kv = config.KeyValueHeadCount * d;
        float eps = (float)config.RmsNormEps;
        _rope = new RopeTable(device, config);
        _localRope = config.LocalRopeTheta is { } local ? new RopeTable(device, config with { RopeTheta = local, RopeScaling = null }) : null;

        Weight Make(string name, params ReadOnlySpan<int> shape) => Own(new Weight(name, weight(name, new Shape(shape))));
        LinearLayer Linear(string path, int outputs, int inputs, bool bias) =>
            new(path, Make(path + ".weight", outputs, inputs), bias ? Make(path + ".bias", outputs) : null);

        _embedding = Make("model.embed_tokens.weight", config.VocabularySize, c);
        _embeddingFactor = EmbeddingFactor(config, _embedding.Value.DType);
        _blocks = new DecoderBlock[config.LayerCount];
        for (int i = 0; i < _blocks.Length; i++)
        {
            string at = $"model.layers.{i}";
            _blocks[i] = new DecoderBlock
            {
                Eps = eps,
                NormOffset = config.NormOffset,
                GeluGate = config.GeluGate,
                AttentionNorm = Make($"{at}.input_layernorm.weight", c),
                Attention = new AttentionLayer
                {
                    Index = i,
                    Eps = eps,
                    NormOffset = config.NormOffset,
                    Rope = config.Window(i) is null ? _rope : _localRope ?? _rope,
                    Shape = new AttentionShape(config.HeadCount, config.KeyValueHeadCount, d, 1f / MathF.Sqrt((float)(config.QueryPreAttentionScalar ?? d)), config.Window(i), (float)(config.AttentionSoftCap ?? 0)),
                    Query = Linear($"{at}.self_attn.q_proj", q, c, config.QueryKeyValueBias),
                    Key = Linear($"{at}.self_attn.k_proj", kv, c, config.QueryKeyValueBias),
                    Value = Linear($"{at}.self_attn.v_proj", kv, c, config.QueryKeyValueBias),
                    Output = Linear($"{at}.self_attn.o_proj", c, q, config.OutputBias),
                    QueryNorm = config.QueryKeyNorm ? Make($"{at}.self_attn.q_norm.weight", d) : null,
                    KeyNorm = config.QueryKeyNorm ? Make($"{at}.self_attn.k_norm.weight", d) : null,
                },
                AttentionOutputNorm = config.OutputNorms ? Make($"{at}.post_attention_layernorm.weight", c) : null,
                MlpNorm = Make($"{at}.{(config.OutputNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm")}.weight", c),
                MlpOutputNorm = config.OutputNorms ? Make($"{at}.post_feedforward_layernorm.weight", c) : null,
                Gate = Linear($"{at}.mlp.gate_proj", f, c, config.MlpBias),
                Up = Linear($"{at}.mlp.up_proj", f, c, config.MlpBias),
                Down = Linear($"{at}.mlp.down_proj", c, f, config.MlpBias),
            };
        }
        _norm = Make("model.norm.weight", c);
        _head = config.TiedEmbeddings ? _embedding : Make("lm_head.weight", config.VocabularySize, c);
        _linears = [.. _blocks.SelectMany(b => new[] { b.Attention.Query, b.Attention.Key, b.Attention.Value, b.Attention.Output, b.Gate, b.Up, b.Down })];
    }

    /// <inheritdoc/>
    public override LlamaConfig Config { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<LinearLayer> Linears => _linears;

    /// <inheritdoc/>
    public override Weight Head => _head;

    /// <inheritdoc/>
    public override float LogitSoftCap => (float)(Config.FinalSoftCap ?? 0);

    /// <inheritdoc/>
    public override SequenceState CreateState(int capacity) =>
        new KeyValueCache(Device, Config.LayerCount, capacity, Config.KeyValueHeadCount * Config.HeadDim, ActivationType);

    /// <inheritdoc/>
    public override void Untie()
    {
        if (_head != _embedding)
            return;
        var copy = new Tensor(Device, _embedding.Value.Shape, _embedding.Value.DType);
        copy.CopyFrom(_embedding.Value);
        _head = Own(new Weight("lm_head.weight", copy));
    }

    /// <summary>Start values: N(0, 0.02²), norms multiplying by 1, biases 0, output projections scaled by 1/√(2L).</summary>
    internal static void Fill(LlamaConfig config, string name, Shape shape, float[] values, Training.SeededRandom random)
    {
        bool output = name.EndsWith("o_proj.weight", StringComparison.Ordinal) || name.EndsWith("down_proj.weight", StringComparison.Ordinal);
        if (shape.Rank == 2)
            random.FillNormal(values, 0.02f / (output ? MathF.Sqrt(2 * config.LayerCount) : 1f));
        else if (name.EndsWith("norm.weight", StringComparison.Ordinal))
            values.AsSpan().Fill(1f - config.NormOffset);
    }

    /// <inheritdoc/>
    protected override Tensor Hidden(Tensor tokens, in Rows rows, int longest)
    {
        _rope.Reserve(longest);
        _localRope?.Reserve(longest);
        Tape tape = tokens.Tape!;
        int scope = tape.Open();
        Tensor x = Ops.Embedding(tokens, _embedding.Value, _embeddingFactor);
        foreach (DecoderBlock block in _blocks)
            x = tape.Close(scope, block.Forward(x, rows, ActivationCheckpointing));
        return tape.Close(scope, Ops.RmsNorm(x, _norm.Value, (float)Config.RmsNormEps, Config.NormOffset));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _rope.Dispose();
        _localRope?.Dispose();
        base.Dispose(disposing);
    }

    // The models' own code rounds the factor to the type of the weights; training them in fp32 afterwards does not change it.
    private static float EmbeddingFactor(LlamaConfig config, DType weights)
    {
        float factor = config.ScaledEmbedding ? MathF.Sqrt(config.HiddenSize) : 1f;
        return weights == DType.BF16 ? (float)(BFloat16)factor : factor;
    }
}
