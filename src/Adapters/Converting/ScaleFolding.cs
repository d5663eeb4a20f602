namespace Marrow.Adapters.Converting;

/// <summary>
/// Brings scales into the form that a kind of file can say: where it has fewer scales than the layers, the rest goes into B (spec/formats.md §8.2).
/// </summary>
internal static class ScaleFolding
{
    /// <summary>The layers with scales that <paramref name="kind"/> can hold, and the one number that it has for all, where it has one.</summary>
    public static (IReadOnlyList<LowRankLayer> Layers, double Common) Fold(IReadOnlyList<LowRankLayer> layers, AdapterKind kind, double? wanted)
    {
        switch (kind.Scales)
        {
            case ScaleForm.EachLayer:
                return (kind.KeepsScales && wanted is null ? layers : [.. layers.Select(l => To(l, wanted ?? PlainOf(l)))], 0);
            case ScaleForm.OneAlpha:
                double alpha = wanted ?? Common(layers.Select(l => l.Scale.PlainAlpha(l.Rank)), layers[0].Rank);
                return ([.. layers.Select(l => To(l, alpha))], alpha);
            default:
                int rank = layers.Max(l => l.Rank);
                double factor = wanted / rank ?? Common(layers.Select(l => l.Factor), 1);
                return ([.. layers.Select(l => Padded(Multiplied(l, l.Factor, factor), rank) with { Scale = new LoraScale(factor * rank) })], factor);
        }
    }

    /// <summary>Whether fp32 holds a number exactly.</summary>
    public static bool IsFloat(double value) => (float)value == value;

    // Zero would mean another thing in most files; B is zero then.
    private static double PlainOf(LowRankLayer layer) => layer.Scale.PlainAlpha(layer.Rank) is var alpha and not 0 ? alpha : layer.Rank;

    private static LowRankLayer To(LowRankLayer layer, double alpha) => Multiplied(layer, layer.Scale.PlainAlpha(layer.Rank), alpha) with { Scale = new LoraScale(alpha) };

    private static LowRankLayer Multiplied(LowRankLayer layer, double has, double gets) => has == gets ? layer : layer with { B = layer.B.Times(has / gets), OutputBias = layer.OutputBias?.Times(has / gets) };

    private static LowRankLayer Padded(LowRankLayer layer, int rank) => layer.Rank == rank ? layer
        : layer with { A = layer.A.Above(layer.A.Zeros(rank - layer.Rank, layer.A.Columns)), B = layer.B.Beside(layer.B.Zeros(layer.B.Rows, rank - layer.Rank)) };

    // The number that most layers have, up to powers of two, which fold without rounding; files want it above zero.
    private static double Common(IEnumerable<double> numbers, double none)
    {
        double[] sizes = [.. numbers.Select(Math.Abs).Where(n => n > 0)];
        return sizes.Length == 0 ? none : sizes.GroupBy(n => n).OrderByDescending(g => sizes.Count(n => IsPowerOfTwo(n / g.Key))).ThenByDescending(g => g.Count()).First().Key;
    }

    private static bool IsPowerOfTwo(double value) => double.IsNormal(value) && (BitConverter.DoubleToInt64Bits(value) & ((1L << 52) - 1)) == 0;
}
