using System.Numerics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>
/// The searches for the scale of a sub-block of Q3_K and Q6_K: x ≈ scale·q with q from −top to top − 1 and errors weighted by x²
/// (spec/formats.md §3.5), for as many sub-blocks as a vector has lanes.
/// </summary>
internal static class SymmetricSearch
{
    /// <summary>Magnitudes below this count as zero.</summary>
    private const float Tiny = 1e-15f;

    /// <summary>The scale of the best of nineteen factors, and that factor; both 0 where all elements are.</summary>
    public static (Vector<float> Scale, Vector<float> Factor) Factors(ReadOnlySpan<Vector<float>> x, int top)
    {
        Vector<int> low = SubBlockLanes.Limit(-top), high = SubBlockLanes.Limit(top - 1);
        Vector<float> largest = SubBlockLanes.Largest(x), factor = new Vector<float>(-top) / largest;
        (Vector<float> sumLX, Vector<float> sumL2) = Sums(x, factor, low, high);
        Vector<float> scale = Vector.ConditionalSelect(Vector.Equals(sumL2, Vector<float>.Zero), Vector<float>.Zero, sumLX / sumL2);
        Vector<float> best = scale * sumLX;
        for (int k = -9; k <= 9; k++)
        {
            if (k == 0)
                continue;
            Vector<float> inverse = new Vector<float>(-(top + 0.1f * k)) / largest;
            (sumLX, sumL2) = Sums(x, inverse, low, high);
            Vector<int> better = Vector.GreaterThan(sumL2, Vector<float>.Zero) & Vector.GreaterThan(sumLX * sumLX, best * sumL2);
            scale = Vector.ConditionalSelect(better, sumLX / sumL2, scale);
            best = Vector.ConditionalSelect(better, scale * sumLX, best);
            factor = Vector.ConditionalSelect(better, inverse, factor);
        }
        Vector<float> kept = Vector.AsVectorSingle(Vector.GreaterThanOrEqual(Vector.Abs(largest), new Vector<float>(Tiny)));
        return (scale & kept, factor & kept);
    }

    /// <summary>The scale after up to five rounds in which every code in turn moves to where it fits best; <paramref name="codes"/> takes the codes, −top where all elements are 0.</summary>
    public static Vector<float> Refined(ReadOnlySpan<Vector<float>> x, int top, Span<Vector<float>> codes)
    {
        Vector<int> low = SubBlockLanes.Limit(-top), high = SubBlockLanes.Limit(top - 1);
        Vector<float> largest = SubBlockLanes.Largest(x), factor = new Vector<float>(-top) / largest;
        Vector<float> sumLX = Vector<float>.Zero, sumL2 = Vector<float>.Zero;
        for (int i = 0; i < codes.Length; i++)
        {
            Vector<float> weight = x[i] * x[i], code = SubBlockLanes.Nearest(factor * x[i], low, high);
            codes[i] = code;
            sumLX += weight * x[i] * code;
            sumL2 += weight * code * code;
        }
        Vector<int> kept = Vector.GreaterThanOrEqual(Vector.Abs(largest), new Vector<float>(Tiny));
        for (int round = 0; round < 5; round++)
        {
            Vector<int> changed = Vector<int>.Zero;
            for (int i = 0; i < codes.Length; i++)
            {
                Vector<float> weight = x[i] * x[i], cubed = weight * x[i], code = codes[i];
                Vector<float> restLX = sumLX - cubed * code, restL2 = sumL2 - weight * code * code;
                Vector<float> moved = SubBlockLanes.Nearest(x[i] * restL2 / restLX, low, high);
                Vector<int> may = Vector.GreaterThan(restLX, Vector<float>.Zero) & ~Vector.Equals(moved, code);
                restLX += cubed * moved;
                restL2 += weight * moved * moved;
                Vector<int> better = may & Vector.GreaterThan(restL2, Vector<float>.Zero) & Vector.GreaterThan(restLX * restLX * sumL2, sumLX * sumLX * restL2);
                codes[i] = Vector.ConditionalSelect(better, moved, code);
                sumLX = Vector.ConditionalSelect(better, restLX, sumLX);
                sumL2 = Vector.ConditionalSelect(better, restL2, sumL2);
                changed |= better;
            }
            if (Vector.EqualsAll(changed & kept, Vector<int>.Zero))
                break;
        }
        for (int i = 0; i < codes.Length; i++)
            codes[i] = Vector.ConditionalSelect(kept, codes[i], new Vector<float>(-top));
        return (sumLX / sumL2) & Vector.AsVectorSingle(kept);
    }

    private static (Vector<float> SumLX, Vector<float> SumL2) Sums(ReadOnlySpan<Vector<float>> x, Vector<float> factor, Vector<int> low, Vector<int> high)
    {
        Vector<float> sumLX = Vector<float>.Zero, sumL2 = Vector<float>.Zero;
        foreach (Vector<float> v in x)
        {
            Vector<float> weight = v * v, code = SubBlockLanes.Nearest(factor * v, low, high);
            sumLX += weight * v * code;
            sumL2 += weight * code * code;
        }
        return (sumLX, sumL2);
    }
}
