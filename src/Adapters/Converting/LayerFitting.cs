using Marrow.Adapters.LowRank;
using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>Brings each layer into a form that the target can hold: as it is, as the LoRA that is the same, or, where that is allowed, as the best LoRA of a rank.</summary>
internal sealed class LayerFitting(AdapterKind target, BaseWeights? model, bool asLora, LowRankLimit? limit)
{
    /// <summary>The layer to write, and what became of it.</summary>
    /// <exception cref="MarrowException">AC004 the target cannot hold it, and approximation is not allowed; AC006 the base model is needed.</exception>
    public (AdaptedModule Layer, LayerConversion Report) Fit(AdaptedModule layer)
    {
        bool plain = asLora || limit is not null;
        if (target.Refusal(layer) is null && !(plain && layer is BlockLayer or LowRankLayer { Magnitude: not null }))
            return layer is LowRankLayer held ? Limited(held, held.Method) : (layer, Kept(layer, layer.Method));
        switch (layer)
        {
            case BlockLayer { IsBat: false } block:
                return Limited(BlockLora.Of(block, model), block.Method);
            case BlockLayer or LowRankLayer { Magnitude: not null } when limit is not null:
                return Approximated(layer, limit);
            case BlockLayer or LowRankLayer { Magnitude: not null }:
                throw new MarrowException("AC004", $"'{Echo.Name(layer.Module)}' has {layer.Method}, which is no LoRA of low rank, and {(target.Refusal(layer) is { } why ? $"a {target.Name} file {why}" : "LoRA is asked for")}. "
                    + "Merge the adapter into the model instead (marrow merge), or accept the nearest LoRA (--approximate --rank 32). [AC004]");
            default:
                throw new MarrowException("AC004", $"'{Echo.Name(layer.Module)}' has {layer.Method}{(layer is LowRankLayer { OutputBias: not null } ? " with a bias" : "")}, and a {target.Name} file {target.Refusal(layer)}. "
                    + "Write peft, or merge the adapter into the model with PEFT. [AC004]");
        }
    }

    private static LayerConversion Kept(AdaptedModule layer, string from) => new(layer.Module, from, layer.Rank, layer.IsRounded ? Exactness.Rounded : Exactness.Exact) { As = layer.Method };

    private (AdaptedModule, LayerConversion) Limited(LowRankLayer layer, string from)
    {
        if (limit is null || layer.Rank <= limit.Rank)
            return (layer, Kept(layer, from));
        double[] b = layer.B.ReadDoubles(), a = layer.A.ReadDoubles();
        int rows = layer.B.Rows, columns = layer.A.Columns;
        for (int i = 0; i < b.Length; i++)
            b[i] *= layer.Factor;
        var (cut, report) = Approximated(layer.Module, from, Svd.OfProduct(b, a, rows, columns, limit.Rank), WrittenError.Product(b, a, columns), 0);
        return (cut with { IsEmbedding = layer.IsEmbedding, OutputBias = layer.OutputBias?.Times(layer.Factor) }, report);
    }

    private static (LowRankLayer, LayerConversion) Approximated(string module, string from, TruncatedSvd svd, WrittenError.RowReader change, double weightSquares)
    {
        var (b, a) = svd.Factors();
        int rank = svd.Values.Length, rows = b.Length / rank, columns = a.Length / rank;
        double error = WrittenError.Squares(change, b, a, rank);
        var layer = new LowRankLayer(module, AdapterMatrix.Of(rank, columns, a), AdapterMatrix.Of(rows, rank, b), new LoraScale(rank));
        return (layer, new LayerConversion(module, from, rank, Exactness.Approximate) { ErrorSquares = error, ChangeSquares = svd.SquaredNorm, WeightSquares = weightSquares });
    }

    private (AdaptedModule, LayerConversion) Approximated(AdaptedModule layer, LowRankLimit limit)
    {
        var (values, rows, columns, squares) = WeightDeltas.Of(layer, model);
        return Approximated(layer.Module, layer.Method, Svd.Of(values, rows, columns, limit.Rank), WrittenError.Rows(values, columns), squares);
    }

    /// <summary>The best LoRA of a rank for a whole change of a weight, and how good it is.</summary>
    public static (AdaptedModule Layer, LayerConversion Report) Nearest(string module, float[] change, int rows, int columns, int rank, double weightSquares) =>
        Approximated(module, "difference of weights", Svd.Of(change, rows, columns, rank), WrittenError.Rows(change, columns), weightSquares);
}
