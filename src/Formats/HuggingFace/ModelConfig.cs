using Marrow.Formats.Numerics;

namespace Marrow.Formats.HuggingFace;

/// <summary>What every family's configuration says.</summary>
public abstract record ModelConfig
{
    /// <summary>"llama", "qwen2", "rwkv7", …: the family's name in config.json, for PEFT's default targets.</summary>
    public required string ModelType { get; init; }

    /// <summary>Rows of the embedding and of the head, V.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Channels of the residual stream, C.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Blocks, L.</summary>
    public required int LayerCount { get; init; }

    /// <summary>The longest sequence the model was made for, in tokens; <see cref="int.MaxValue"/> where nothing limits it.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>The type that the weights are said to be stored in; null where the file does not say.</summary>
    public DType? TorchDType { get; init; }

    /// <summary>The id that starts a text, where there is one.</summary>
    public int? BosId { get; init; }

    /// <summary>The ids that end a text; may be empty.</summary>
    public IReadOnlyList<int> EosIds { get; init; } = [];

    /// <summary>The id of padding, where there is one.</summary>
    public int? PadId { get; init; }

    /// <summary>
    /// The file's own text, for writing it again beside merged weights, and without the section that says how the original's are quantised; null for a
    /// configuration made in memory.
    /// </summary>
    public string? RawJson { get; init; }

    /// <summary>Whether a tensor is a matrix that may be kept in bf16; all others are fp32 in memory. <paramref name="shape"/> is slowest first.</summary>
    public abstract bool IsMatrix(string name, ReadOnlySpan<int> shape);

    /// <summary>Whether a file may hold this tensor although no part of the model reads it.</summary>
    public abstract bool IsDerived(string name);

    /// <summary>The sizes in a line, for people.</summary>
    public abstract string Describe();
}
