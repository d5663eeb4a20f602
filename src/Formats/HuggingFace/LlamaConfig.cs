using System.Text;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.HuggingFace;

/// <summary>
/// The configuration of a Llama-family model (model_type llama, mistral, qwen2, qwen3, gemma2, gemma3_text), every default resolved
/// (spec/architectures.md §2.1, §2.3, §2.8; spec/formats.md §6.1).
/// </summary>
public sealed record LlamaConfig
{
    /// <summary>The model types that can be read.</summary>
    public static IReadOnlyList<string> SupportedTypes { get; } = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"];

    /// <summary>"llama", "mistral", "qwen2", "qwen3", "gemma2" or "gemma3_text".</summary>
    public required string ModelType { get; init; }

    /// <summary>Rows of the embedding and of the head, V.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Channels of the residual stream, C.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Channels within the MLP, F.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Decoder layers, L.</summary>
    public required int LayerCount { get; init; }

    /// <summary>Query heads, H.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Key and value heads, KV; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Channels of one head, d; even. H·d need not equal C.</summary>
    public required int HeadDim { get; init; }

    /// <summary>The longest sequence the model was made for, in tokens.</summary>
    public required int MaxPositions { get; init; }

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

    /// <summary>The type that the weights are said to be stored in; null where the file does not say.</summary>
    public DType? TorchDType { get; init; }

    /// <summary>The id that starts a text, where there is one.</summary>
    public int? BosId { get; init; }

    /// <summary>The ids that end a text; may be empty.</summary>
    public IReadOnlyList<int> EosIds { get; init; } = [];

    /// <summary>The id of padding, where there is one.</summary>
    public int? PadId { get; init; }

    /// <summary>The file's own text, for writing it again beside merged weights; null for a configuration made in memory.</summary>
    public string? RawJson { get; init; }

    /// <summary>The sliding window of a layer in tokens (query t sees t − window &lt; s ≤ t); null for full attention.</summary>
    public int? Window(int layer) => Windows.Count == 0 ? null : Windows[layer];

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="ModelFileException">
    /// HF001 missing; HF002 not a JSON object; HF003 a size missing or out of range; HF004 heads that do not divide; HF005 layer count;
    /// HF006 a value of the wrong type; HF007 stored quantised; HF008 unsupported model type; HF009 rope; HF010 activation; HF011 windows.
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
        RawJson = Encoding.UTF8.GetString(utf8),
    };
}
