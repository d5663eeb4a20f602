using System.Numerics.Tensors;
using Marrow.Adapters.LowRank;
using Marrow.Formats;

namespace Marrow.Adapters.Converting.Combining;

/// <summary>Combines LoRA layers of several adapters. Layers that only some of them have are combined of those.</summary>
internal sealed class AdapterCombination(Combination how)
{
    private readonly Dictionary<string, LayerConversion> _truncations = [];

    /// <summary>What was cut off the changes by the svd methods, by module.</summary>
    public IReadOnlyDictionary<string, LayerConversion> Truncations => _truncations;

    /// <summary>Whether the changes themselves are made and cut to a rank.</summary>
    private bool IsSvd => how.Method is CombinationMethod.Svd or CombinationMethod.TiesSvd or CombinationMethod.DareLinearSvd or CombinationMethod.DareTiesSvd or CombinationMethod.MagnitudePruneSvd;

    /// <summary>One adapter multiplied by its weight.</summary>
    public static AdapterContents Weighted(AdapterContents contents, double weight) => weight == 1 ? contents : contents with
    {
        Layers = [.. contents.Layers.Select(l => l is LowRankLayer { Magnitude: null } low ? low with { Scale = low.Scale with { Alpha = low.Scale.Alpha * weight } }
            : throw new MarrowException("AC011", $"'{Echo.Name(l.Module)}' has {l.Method}, whose change a weight cannot multiply; convert it to LoRA first (--approximate --rank 32). [AC011]"))],
        Carried = contents.Carried.Count == 0 ? [] : throw Carries(contents.Carried[0]),
    };

    /// <summary>The combined adapter.</summary>
    /// <exception cref="MarrowException">AC011 they cannot be combined in this way.</exception>
    public AdapterContents Combine(IReadOnlyList<(AdapterContents Contents, double Weight)> adapters)
    {
        Check(adapters);
        OrderedDictionary<string, List<(LowRankLayer Layer, double Weight)>> modules = [];
        foreach ((AdapterContents contents, double weight) in adapters)
        {
            foreach (AdaptedModule layer in contents.Layers)
            {
                if (layer is not LowRankLayer { Magnitude: null, OutputBias: null } low)
                    throw new MarrowException("AC011", layer is LowRankLayer { Magnitude: null }
                        ? $"'{Echo.Name(layer.Module)}' has {layer.Method} with a bias (lora_bias), which cannot be combined; merge one adapter after the other with PEFT. [AC011]"
                        : $"'{Echo.Name(layer.Module)}' has {layer.Method}, which cannot be combined; convert it to LoRA first (--approximate --rank 32), or merge one adapter after the other (marrow merge). [AC011]");
                if (!modules.TryGetValue(layer.Module, out var parts))
                    modules.Add(layer.Module, parts = []);
                parts.Add((low, weight));
            }
        }
        int rank = how.Rank ?? modules.Values.SelectMany(m => m).Max(p => p.Layer.Rank);
        ulong site = 0;
        AdaptedModule[] layers = [.. modules.Values.Select(parts => how.Method == CombinationMethod.Cat ? Cat(parts) : IsSvd ? OfChanges(parts, rank, site++) : OfFactors(parts, site++))];
        return adapters[0].Contents with { Layers = layers, Carried = [.. adapters.SelectMany(a => a.Contents.Carried)] };
    }

    private void Check(IReadOnlyList<(AdapterContents Contents, double Weight)> adapters)
    {
        bool prunes = how.Method is not (CombinationMethod.Cat or CombinationMethod.Linear or CombinationMethod.Svd);
        if (prunes && how.Density is not (> 0 and <= 1))
            throw new MarrowException("AC011", $"{how.Method} keeps a part of the values, and density is {how.Density?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "not given"}; give one above 0 and at most 1. [AC011]");
        if (!prunes && how.Density is not null)
            throw new MarrowException("AC011", $"{how.Method} keeps all values; leave density out. [AC011]");
        // What is not a sum cannot be weighted, and what two adapters replaced cannot be both.
        CarriedTensor[] carried = [.. adapters.SelectMany(a => a.Contents.Carried)];
        if (carried.GroupBy(c => c.Name).FirstOrDefault(g => g.Count() > 1)?.First() is { } twice)
            throw Carries(twice);
        if (adapters.FirstOrDefault(a => a.Weight != 1 && a.Contents.Carried.Count > 0) is { Contents: { } weighted })
            throw Carries(weighted.Carried[0]);
    }

    private static MarrowException Carries(CarriedTensor tensor) => new("AC011", $"'{Echo.Name(tensor.Name)}' was trained whole, so adapters that hold it can be combined only where one of them does, with weight 1. "
        + "Merge the adapters into the model one after the other. [AC011]");

    // The weights go into A, but for the part that all have in common.
    private static LowRankLayer Cat(List<(LowRankLayer Layer, double Weight)> parts)
    {
        double common = parts[0].Weight * parts[0].Layer.Factor is var first and not 0 ? first : 1;
        AdapterMatrix? a = null, b = null;
        foreach ((LowRankLayer layer, double weight) in parts)
        {
            AdapterMatrix scaled = layer.A.Times(weight * layer.Factor / common);
            (a, b) = (a?.Above(scaled) ?? scaled, b?.Beside(layer.B) ?? layer.B);
        }
        return parts[0].Layer with { A = a!, B = b!, Scale = new LoraScale(common * a!.Rows) };
    }

    private LowRankLayer OfFactors(List<(LowRankLayer Layer, double Weight)> parts, ulong site)
    {
        LowRankLayer first = parts[0].Layer;
        if (parts.FirstOrDefault(p => p.Layer.Rank != first.Rank) is { Layer: { } other })
            throw new MarrowException("AC011", $"'{Echo.Name(first.Module)}' has rank {first.Rank} in one adapter and {other.Rank} in another; {how.Method} adds the factors, which must have one rank. Use cat or svd. [AC011]");
        double[] weights = [.. parts.Select(p => p.Weight * p.Layer.Factor)], roots = [.. weights.Select(w => Math.Sqrt(Math.Abs(w)))];
        double[] a = TaskTensors.Combine([.. parts.Select(p => p.Layer.A.ReadDoubles())], [.. weights.Zip(roots, (w, root) => Math.CopySign(root, w))], how, 2 * site);
        double[] b = TaskTensors.Combine([.. parts.Select(p => p.Layer.B.ReadDoubles())], roots, how, 2 * site + 1);
        return first with { A = Narrow(a, first.A), B = Narrow(b, first.B), Scale = new LoraScale(first.Rank) };
    }

    private LowRankLayer OfChanges(List<(LowRankLayer Layer, double Weight)> parts, int rank, ulong site)
    {
        LowRankLayer first = parts[0].Layer;
        int rows = first.B.Rows, columns = first.A.Columns;
        TruncatedSvd svd;
        WrittenError.RowReader whole;
        if (how.Method == CombinationMethod.Svd)
        {
            LowRankLayer sum = Cat(parts);
            double[] b = sum.B.ReadDoubles();
            TensorPrimitives.Multiply(b, sum.Factor, b);
            double[] a = sum.A.ReadDoubles();
            svd = Svd.OfProduct(b, a, rows, columns, rank);
            whole = WrittenError.Product(b, a, columns);
        }
        else
        {
            if ((long)rows * columns > AdapterMatrix.MostValues)
                throw new MarrowException("AC002", $"The change of '{Echo.Name(first.Module)}' would be made whole by {how.Method}, [{rows},{columns}], more than {AdapterMatrix.MostValues} values; use svd or cat, which work on the factors. [AC002]");
            // The changes themselves, scales and all: signs are elected by their sizes.
            double[] change = TaskTensors.Combine([.. parts.Select(p => Product(p.Layer))], [.. parts.Select(p => p.Weight)], how, site);
            var narrow = new float[change.Length];
            TensorPrimitives.ConvertTruncating<double, float>(change, narrow);
            svd = Svd.Of(narrow, rows, columns, rank);
            whole = WrittenError.Rows(change, columns);
        }
        var (left, right) = svd.Factors();
        int k = svd.Values.Length;
        _truncations[first.Module] = new LayerConversion(first.Module, first.Method, k, Exactness.Approximate) { ChangeSquares = svd.SquaredNorm, ErrorSquares = WrittenError.Squares(whole, left, right, k) };
        return first with { A = AdapterMatrix.Of(k, columns, right), B = AdapterMatrix.Of(rows, k, left), Scale = new LoraScale(k) };
    }

    private static double[] Product(LowRankLayer layer)
    {
        double[] a = layer.A.ReadDoubles(), b = layer.B.ReadDoubles();
        TensorPrimitives.Multiply(b, layer.Factor, b);
        int rows = layer.B.Rows, columns = layer.A.Columns, r = layer.Rank;
        var product = new double[(long)rows * columns];
        Parallel.For(0, rows, o =>
        {
            Span<double> row = product.AsSpan(o * columns, columns);
            for (int k = 0; k < r; k++)
                TensorPrimitives.MultiplyAdd(a.AsSpan(k * columns, columns), b[o * r + k], row, row);
        });
        return product;
    }

    private static AdapterMatrix Narrow(double[] values, AdapterMatrix like)
    {
        var narrow = new float[values.Length];
        TensorPrimitives.ConvertTruncating<double, float>(values, narrow);
        return AdapterMatrix.Of(like.Rows, like.Columns, narrow);
    }
}
