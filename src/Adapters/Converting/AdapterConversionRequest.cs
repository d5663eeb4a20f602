using Marrow.Adapters.Converting.Combining;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters.Converting;

/// <summary>What is converted into what.</summary>
public sealed record AdapterConversionRequest
{
    /// <summary>The adapter, or several to be combined.</summary>
    public required IReadOnlyList<AdapterInput> Inputs { get; init; }

    /// <summary>The file or folder to write.</summary>
    public required string Output { get; init; }

    /// <summary>The kind to write.</summary>
    public required AdapterKind Target { get; init; }

    /// <summary>The base model; needed for names, for sizes that Bone's files do not hold, and for changes that depend on the weights.</summary>
    public ModelFolder? Model { get; init; }

    /// <summary>Whether everything becomes LoRA, also where the target could hold it as it is.</summary>
    public bool AsLora { get; init; }

    /// <summary>The alpha to write where the target has one; null for that which leaves most factors untouched.</summary>
    public double? Alpha { get; init; }

    /// <summary>How changes that no LoRA can be are dealt with; null refuses them.</summary>
    public LowRankLimit? Approximate { get; init; }

    /// <summary>How several adapters are combined.</summary>
    public Combination Combination { get; init; } = new();

    /// <summary>Is told of each layer when it is done; decompositions of large models take minutes.</summary>
    public IProgress<LayerConversion>? Progress { get; init; }
}

/// <summary>One adapter that is read.</summary>
/// <param name="Path">Its file or folder, of any kind.</param>
/// <param name="Weight">What its change is multiplied by.</param>
public sealed record AdapterInput(string Path, double Weight = 1)
{
    /// <summary>LoRA's alpha, where the files do not hold it.</summary>
    public double? Alpha { get; init; }

    /// <summary>The start of an adapter that was trained on a changed base (init_pissa.pth, or the untrained adapter as a PEFT folder).</summary>
    public string? Initial { get; init; }
}

/// <summary>Leave to approximate by LoRA of a lower rank.</summary>
/// <param name="Rank">The rank.</param>
public sealed record LowRankLimit(int Rank)
{
    /// <summary>The largest relative error over all approximated layers together (Frobenius).</summary>
    public double MostError { get; init; } = 0.1;

    /// <summary>Whether a larger error is only reported.</summary>
    public bool AllowError { get; init; }
}
