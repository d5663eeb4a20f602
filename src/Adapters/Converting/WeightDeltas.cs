using System.Numerics.Tensors;
using Marrow.Adapters.Methods;
using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>The changes that depend on the base's weight, as whole matrices: DoRA and Bat (spec/adapters.md §2.3, §2.4, §3.8).</summary>
internal static class WeightDeltas
{
    /// <summary>W' − W [outputs, inputs], computed in double precision and rounded once, and ‖W‖².</summary>
    /// <exception cref="MarrowException">AC006 the base model was not given.</exception>
    public static (float[] Values, int Rows, int Columns, double WeightSquares) Of(AdaptedModule layer, BaseWeights? model)
    {
        if (model?.Tensors is not { } tensors)
            throw new MarrowException("AC006", $"'{Echo.Name(layer.Module)}' has {layer.Method}, whose change depends on the base's weights; give the base model (--model). [AC006]");
        (int rows, int columns) = model.SizeOf(layer.Module)!.Value;
        float[] weight = tensors.ReadFloats((layer.Module == "lm_head" && model.IsTied ? "model.embed_tokens" : layer.Module) + ".weight");
        var squares = new double[rows];
        WeightChange change = Change(layer);
        Parallel.For(0, rows, () => (new double[columns], new double[columns]), (o, _, work) =>
        {
            var (before, after) = work;
            Span<float> row = weight.AsSpan(o * columns, columns);
            TensorPrimitives.ConvertChecked<float, double>(row, before);
            squares[o] = TensorPrimitives.SumOfSquares<double>(before);
            before.CopyTo(after, 0);
            change.Apply(o, after);
            TensorPrimitives.Subtract(after, before, after);
            TensorPrimitives.ConvertTruncating<double, float>(after, row);
            return work;
        }, _ => { });
        if (weight.AsSpan().ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
            throw new ModelFileException("AC010", model.Path, $"the change of '{Echo.Name(layer.Module)}' by {layer.Method} holds values that are not finite; is this the model that the adapter was trained on?");
        return (weight, rows, columns, squares.Sum());
    }

    private static WeightChange Change(AdaptedModule layer)
    {
        if (layer is BlockLayer block)
            return new BlockChange(Array.ConvertAll(AdapterMatrix.ReadFinite(block.Source, block.Tensor.Name), v => (double)v), layer.Rank, block.Form == BlockForm.BatByInputs);
        var dora = (LowRankLayer)layer;
        return new DoraChange(dora.A.ReadDoubles(), dora.B.ReadDoubles(), dora.Magnitude!.ReadDoubles(), dora.Rank, dora.Factor);
    }
}
