namespace Marrow.Adapters.Merging;

/// <summary>What a merge did to the weights, and how well the merged model agrees with the adapter.</summary>
/// <param name="Tensors">Every changed tensor, in the model's order.</param>
/// <param name="Logits">The merged model's logits against those computed with the adapter.</param>
public sealed record MergeCertificate(IReadOnlyList<TensorChange> Tensors, LogitDifference Logits)
{
    /// <summary>The largest |ΔW|.</summary>
    public double LargestChange => Tensors.Max(t => t.LargestChange);

    /// <summary>The mean |ΔW| over all changed tensors.</summary>
    public double MeanChange => Tensors.Sum(t => t.MeanChange * t.Count) / Tensors.Sum(t => t.Count);

    /// <summary>‖ΔW‖ / ‖W‖ over all changed tensors together (root of summed squares); null where the base was zero.</summary>
    public double? RelativeChange => TensorChange.Ratio(Tensors.Sum(t => t.ChangeSquares), Tensors.Sum(t => t.WeightSquares));

    /// <summary>The largest error of unmerging, or null where a tensor cannot be unmerged.</summary>
    public double? UnmergeError => Tensors.Any(t => t.UnmergeError is null) ? null : Tensors.Max(t => t.UnmergeError);
}

/// <summary>The change of one tensor, as stored: rounding to the type in memory included.</summary>
/// <param name="Name">The tensor's name in the model.</param>
/// <param name="StoredAs">Its shape and type in memory after merging: "BF16[64,64]"; a quantised weight is merged in fp32.</param>
/// <param name="Count">Its elements.</param>
/// <param name="LargestChange">The largest |ΔW|.</param>
/// <param name="MeanChange">The mean |ΔW|.</param>
/// <param name="ChangeSquares">Σ ΔW².</param>
/// <param name="WeightSquares">Σ W² of the base.</param>
/// <param name="UnmergeError">The largest difference to the base after merging and unmerging; null where the change cannot be undone.</param>
public sealed record TensorChange(string Name, string StoredAs, long Count, double LargestChange, double MeanChange,
    double ChangeSquares, double WeightSquares, double? UnmergeError)
{
    /// <summary>‖ΔW‖ / ‖W‖; null where the base was zero, as states that a model did not have.</summary>
    public double? RelativeChange => Ratio(ChangeSquares, WeightSquares);

    internal static double? Ratio(double changes, double weights) => weights > 0 ? Math.Sqrt(changes / weights) : null;
}

/// <summary>How two runs' logits differ.</summary>
/// <param name="Tokens">The number of rows compared.</param>
/// <param name="Largest">The largest difference.</param>
/// <param name="Mean">The mean difference.</param>
/// <param name="LargestLogit">The largest |logit|, for comparison.</param>
/// <param name="SameChoices">The rows whose likeliest token is the same.</param>
public sealed record LogitDifference(int Tokens, double Largest, double Mean, double LargestLogit, int SameChoices)
{
    /// <summary>Compares two runs, [tokens, V] each.</summary>
    public static LogitDifference Of(ReadOnlySpan<float> before, ReadOnlySpan<float> after, int tokens)
    {
        int v = before.Length / tokens, same = 0;
        double largest = 0, sum = 0, size = 0;
        for (int t = 0; t < tokens; t++)
        {
            ReadOnlySpan<float> a = before.Slice(t * v, v), b = after.Slice(t * v, v);
            for (int i = 0; i < v; i++)
            {
                double d = Math.Abs((double)a[i] - b[i]);
                largest = Math.Max(largest, d);
                size = Math.Max(size, Math.Abs(a[i]));
                sum += d;
            }
            if (System.Numerics.Tensors.TensorPrimitives.IndexOfMax(a) == System.Numerics.Tensors.TensorPrimitives.IndexOfMax(b))
                same++;
        }
        return new LogitDifference(tokens, largest, sum / before.Length, size, same);
    }
}
