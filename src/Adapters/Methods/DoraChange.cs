using System.Numerics.Tensors;

namespace Marrow.Adapters.Methods;

/// <summary>DoRA's change of a weight: W'[o] = m[o]·V[o] / ‖V[o]‖ with V = W + s·B·A (spec/adapters.md §3.8).</summary>
/// <param name="a">A [r, inputs], row by row.</param>
/// <param name="b">B [outputs, r], row by row.</param>
/// <param name="m">The magnitudes [outputs].</param>
/// <param name="r">The rank.</param>
/// <param name="scale">s.</param>
internal sealed class DoraChange(double[] a, double[] b, double[] m, int r, double scale) : WeightChange
{
    // The norms are those of the rows before they are scaled, which the merged weight does not tell.
    /// <inheritdoc/>
    public override bool CanUndo => false;

    /// <inheritdoc/>
    public override void Apply(int output, Span<double> row)
    {
        for (int k = 0; k < r; k++)
            TensorPrimitives.MultiplyAdd(a.AsSpan(k * row.Length, row.Length), scale * b[output * r + k], row, row);
        double norm = TensorPrimitives.Norm<double>(row);
        // A row of zeros has no direction that a magnitude could stretch.
        TensorPrimitives.Multiply(row, norm > 0 ? m[output] / norm : 0, row);
    }

    /// <inheritdoc/>
    public override void Undo(int output, Span<double> row) => throw new InvalidOperationException("the norms of the unscaled rows are not kept");
}
