using Marrow.Formats.Numerics;

namespace Marrow.Formats.Conversion;

/// <summary>A tensor of the target before it is written.</summary>
/// <param name="From">The tensor as it is stored, under its name in the target.</param>
/// <param name="To">The type that it gets.</param>
/// <param name="Fallback">Why it does not get the type that was meant for it; null where it does.</param>
internal sealed record PlannedTensor(TensorToWrite From, DType To, string? Fallback = null)
{
    /// <summary>Whether values were rounded before they got here, as sums with 1 are (Gemma's norms).</summary>
    public bool Rounded { get; init; }
}
