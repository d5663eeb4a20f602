using System.Numerics.Tensors;
using Marrow.Adapters.Methods;
using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>The changes that depend on the base's weight, as whole matrices: DoRA and Bat (spec/adapters.md §2.3, §2.4, §3.8).</summary>
internal static class WeightDeltas
{
    private delegate void RowChange(int output, Span<double> row);

    /// <summary>W' − W [outputs, inputs], computed in double precision and rounded once, and ‖W‖².</summary>
    /// <exception cref="MarrowException">AC006 the base model was not given.</exception>
    public static (float[] Values, int Rows, int Columns, double WeightSquares) Of(AdaptedModule layer, BaseWeights? model)
    {
        if (model?.Tensors is not { } tensors)
            throw new MarrowException("AC006", $"'{Echo.Name(layer.Module)}' has {layer.Method}, whose change depends on the base's weights; give the base model (--model). [AC006]");
        (int rows, int columns) = model.SizeOf(layer.Module)!.Value;
        float[] weight = tensors.ReadFloats((layer.Module == "lm_head" && model.IsTied ? "model.embed_tokens" : layer.Module) + ".weight");
        var squares = new double[rows];
        RowChange change = layer is BlockLayer block ? Bat(block) : Dora((LowRankLayer)layer, columns);
        Parallel.For(0, rows, () => (new double[columns], new double[columns]), (o, _, work) =>
        {
            var (before, after) = work;
            Span<float> row = weight.AsSpan(o * columns, columns);
            TensorPrimitives.ConvertChecked<float, double>(row, before);
            squares[o] = TensorPrimitives.SumOfSquares<double>(before);
            before.CopyTo(after, 0);
            change(o, after);
            TensorPrimitives.Subtract(after, before, after);
            TensorPrimitives.ConvertTruncating<double, float>(after, row);
            return work;
        }, _ => { });
        return (weight, rows, columns, squares.Sum());
    }

    private static RowChange Bat(BlockLayer layer)
    {
        var change = new BlockChange(Array.ConvertAll(layer.Source.ReadFloats(layer.Tensor.Name), v => (double)v), layer.Rank, layer.Form == BlockForm.BatByInputs);
        return change.Apply;
    }

    private static RowChange Dora(LowRankLayer layer, int columns)
    {
        double[] a = layer.A.ReadDoubles(), b = layer.B.ReadDoubles(), m = layer.Magnitude!.ReadDoubles();
        int r = layer.Rank;
        double scale = layer.Factor;
        return (o, row) =>
        {
            for (int k = 0; k < r; k++)
                TensorPrimitives.MultiplyAdd(a.AsSpan(k * columns, columns), scale * b[o * r + k], row, row);
            double norm = TensorPrimitives.Norm<double>(row);
            // A row of zeros has no direction that a magnitude could stretch.
            TensorPrimitives.Multiply(row, norm > 0 ? m[o] / norm : 0, row);
        };
    }
}
