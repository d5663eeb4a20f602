using Marrow.Engine.Training;

namespace Marrow.Adapters.Converting.Combining;

/// <summary>Weighted sums of tensors of equal shape, with pruning and election of signs before, as PEFT's combination methods do it (spec/adapters.md §4.7).</summary>
internal static class TaskTensors
{
    /// <summary>The combination of <paramref name="tensors"/>, which are spoilt; <paramref name="site"/> names the tensor for dare's draws.</summary>
    public static double[] Combine(double[][] tensors, double[] weights, Combination how, ulong site)
    {
        bool random = how.Method is CombinationMethod.DareLinear or CombinationMethod.DareLinearSvd or CombinationMethod.DareTies or CombinationMethod.DareTiesSvd;
        bool largest = how.Method is CombinationMethod.Ties or CombinationMethod.TiesSvd or CombinationMethod.MagnitudePrune or CombinationMethod.MagnitudePruneSvd;
        bool elects = how.Method is CombinationMethod.Ties or CombinationMethod.TiesSvd or CombinationMethod.DareTies or CombinationMethod.DareTiesSvd;
        double density = how.Density ?? 1;
        for (int i = 0; i < tensors.Length && density < 1; i++)
        {
            if (largest)
                KeepLargest(tensors[i], density);
            else if (random)
                KeepRandom(tensors[i], density, new SeededRandom(how.Seed, site * 1009 + (ulong)i));
        }
        var sum = new double[tensors[0].Length];
        for (int e = 0; e < sum.Length; e++)
            sum[e] = elects ? Elected(tensors, weights, e, how.SignsByCount) : Sum(tensors, weights, e);
        return sum;
    }

    private static double Sum(double[][] tensors, double[] weights, int e)
    {
        double sum = 0;
        for (int i = 0; i < tensors.Length; i++)
            sum += weights[i] * tensors[i][e];
        return sum;
    }

    // The mean of the weighted values that have the elected sign; a value of zero has none.
    private static double Elected(double[][] tensors, double[] weights, int e, bool byCount)
    {
        double votes = 0, sum = 0;
        foreach (double[] tensor in tensors)
            votes += byCount ? Math.Sign(tensor[e]) : tensor[e];
        int sign = votes >= 0 ? 1 : -1, agreeing = 0;
        for (int i = 0; i < tensors.Length; i++)
        {
            if (Math.Sign(tensors[i][e]) != sign)
                continue;
            sum += weights[i] * tensors[i][e];
            agreeing++;
        }
        return sum / Math.Max(agreeing, 1);
    }

    // Of equal values at the border the first are kept.
    private static void KeepLargest(double[] values, double density)
    {
        int kept = (int)(density * values.Length);
        double[] sizes = Array.ConvertAll(values, Math.Abs);
        double[] sorted = [.. sizes];
        Array.Sort(sorted);
        double border = kept == 0 ? double.PositiveInfinity : sorted[^kept];
        int atBorder = kept == 0 ? 0 : kept - sizes.Count(s => s > border);
        for (int e = 0; e < values.Length; e++)
        {
            if (!(sizes[e] > border || (sizes[e] == border && atBorder-- > 0)))
                values[e] = 0;
        }
    }

    private static void KeepRandom(double[] values, double density, SeededRandom random)
    {
        for (int e = 0; e < values.Length; e++)
            values[e] = random.NextDouble() < density ? values[e] / density : 0;
    }
}
