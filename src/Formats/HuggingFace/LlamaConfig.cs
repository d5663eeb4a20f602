using System.Globalization;
using System.Text;

namespace Marrow.Formats.HuggingFace;

/// <summary>
/// The configuration of a Llama-family model (model_type llama, mistral, qwen2, qwen3, gemma2, gemma3_text), every default resolved
/// (spec/architectures.md §2.1, §2.3, §2.8; spec/formats.md §6.1).
/// </summary>
public sealed record LlamaConfig : ModelConfig
{
    /// <summary>The model types that can be read.</summary>
    public static IReadOnlyList<string> SupportedTypes { get; } = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"];

    /// <summary>Channels within the MLP, F.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Query heads, H.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Key and value heads, KV; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Channels of one head, d; even. H·d need not equal C.</summary>
    public required int HeadDim { get; init; }

    /// <summary>The epsilon of every RMSNorm.</summary>
    public double RmsNormEps { get; init; } = 1e-6;

    /// <summary>The base of the rotary frequencies.</summary>
    public double RopeTheta { get; init; } = 10_000;

    /// <summary>The stretch of the rotary frequencies; null for none.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>The base of the sliding layers' rotary frequencies, which are not stretched; null where all layers share one table.</summary>
    public double? LocalRopeTheta { get; init; }

    /// <summary>The sliding window of each layer in tokens, the current one included; null for full attention. Empty: no layer slides.</summary>
    public IReadOnlyList<int?> Windows { get; init; } = [];

    /// <summary>Whether the q, k and v projections have a bias.</summary>
    public bool QueryKeyValueBias { get; init; }

    /// <summary>Whether the attention's output projection has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether the three MLP projections have a bias.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether q and k are normalised per head before rotation (weights q_norm, k_norm [d]).</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>The square of what attention scores are divided by; null for <see cref="HeadDim"/>.</summary>
    public double? QueryPreAttentionScalar { get; init; }

    /// <summary>The soft cap of attention scores, c·tanh(s / c); null for none.</summary>
    public double? AttentionSoftCap { get; init; }

    /// <summary>The soft cap of the logits; null for none.</summary>
    public double? FinalSoftCap { get; init; }

    /// <summary>What is added to the weights of every RMSNorm: 1 where the file holds their distance from 1, else 0.</summary>
    public float NormOffset { get; init; }

    /// <summary>Whether what attention and the MLP add to the residual stream is normalised first (post_attention_layernorm, post_feedforward_layernorm).</summary>
    public bool OutputNorms { get; init; }

    /// <summary>Whether the MLP's gate goes through the tanh form of GELU instead of SiLU.</summary>
    public bool GeluGate { get; init; }

    /// <summary>Whether the embedding is multiplied by √C, rounded to the type of its weights.</summary>
    public bool ScaledEmbedding { get; init; }

    /// <summary>Whether the head is the embedding matrix itself.</summary>
    public bool TiedEmbeddings { get; init; }

    /// <summary>The sliding window of a layer in tokens (query t sees t − window &lt; s ≤ t); null for full attention.</summary>
    public int? Window(int layer) => Windows.Count == 0 ? null : Windows[layer];

    /// <inheritdoc/>
    public override bool IsMatrix(string name, ReadOnlySpan<int> shape) => shape.Length >= 2;

    /// <summary>Old files carry the rotary table, some tied ones a second copy of the embedding.</summary>
    public override bool IsDerived(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal) || (TiedEmbeddings && name == "lm_head.weight");
    }

    /// <inheritdoc/>
    public override string Describe() => string.Create(CultureInfo.InvariantCulture,
        $"{LayerCount} layers, hidden {HiddenSize}, MLP {IntermediateSize}, {HeadCount} heads of {HeadDim} ({KeyValueHeadCount} for keys and values)");

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="ModelFileException">
    /// HF001 missing; HF002 not a JSON object; HF003 a size missing or out of range; HF004 heads that do not divide; HF005 layer count;
    /// HF006 a value of the wrong type; HF007 stored quantised, but as bitsandbytes' NF4; HF008 unsupported model type; HF009 rope; HF010 activation; HF011 windows.
    /// </exception>
    public static LlamaConfig Read(string path)
    {
        if (!File.Exists(path))
            throw new ModelFileException("HF001", path, "config.json is missing; give a folder that holds a Hugging Face model");
        return Parse(InputFile.ReadAll(path), path);
    }

    /// <summary>Parses the text of a config.json; <paramref name="origin"/> names it in messages.</summary>
    /// <exception cref="ModelFileException">As <see cref="Read"/>.</exception>
    public static LlamaConfig Parse(string json, string origin = "config.json") => Parse(Encoding.UTF8.GetBytes(json), origin);

    /// <summary>The configuration as a config.json that Hugging Face tools read.</summary>
    public string ToJson() => LlamaConfigWriter.Write(this);

    private static LlamaConfig Parse(byte[] utf8, string origin) => LlamaConfigReader.Read(JsonFields.Parse(origin, utf8, "HF002", "HF006")) with
    {
        RawJson = StoredQuantisation.Without(Encoding.UTF8.GetString(utf8)),
    };
}
