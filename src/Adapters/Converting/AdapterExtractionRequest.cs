using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters.Converting;

/// <summary>Which two models an adapter is made from, and how.</summary>
public sealed record AdapterExtractionRequest
{
    /// <summary>The base.</summary>
    public required ModelFolder Base { get; init; }

    /// <summary>The same model after training.</summary>
    public required ModelFolder Tuned { get; init; }

    /// <summary>The file or folder to write.</summary>
    public required string Output { get; init; }

    /// <summary>The kind to write.</summary>
    public required AdapterKind Target { get; init; }

    /// <summary>The rank, and the error that is allowed.</summary>
    public required LowRankLimit Limit { get; init; }

    /// <summary>What is done with norms, embeddings and other tensors that changed too.</summary>
    public OtherChanges Others { get; init; }

    /// <summary>The alpha to write where the target has one.</summary>
    public double? Alpha { get; init; }

    /// <summary>Is told of each layer when it is done.</summary>
    public IProgress<LayerConversion>? Progress { get; init; }
}

/// <summary>What is done with changes that are no linear layer's.</summary>
public enum OtherChanges
{
    /// <summary>They are an error that names them.</summary>
    Refuse,
    /// <summary>They are left out, and named in the report.</summary>
    Skip,
    /// <summary>They go along whole, where the kind has a place for them.</summary>
    Save,
}
