using Marrow.Formats.Numerics;

namespace Marrow.Formats.Conversion;

/// <summary>What a conversion wrote.</summary>
/// <param name="Path">The file or folder.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Files">The files that were written, in order.</param>
/// <param name="Tensors">Every tensor, in the order of the target.</param>
/// <param name="Warnings">What the user should know, one sentence each.</param>
/// <param name="Verified">Whether everything was read again and found as it should be.</param>
public sealed record ConversionReport(string Path, ModelKind Kind, IReadOnlyList<string> Files, IReadOnlyList<ConvertedTensor> Tensors,
    IReadOnlyList<string> Warnings, bool Verified)
{
    /// <summary>The size of all tensors together.</summary>
    public long Bytes => Tensors.Sum(t => t.Bytes);

    /// <summary>Whether no value changed.</summary>
    public bool Exact => Tensors.All(t => t.Exact);
}
