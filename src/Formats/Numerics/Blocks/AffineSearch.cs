using System.Numerics;

namespace Marrow.Formats.Numerics.Blocks;

/// <summary>
/// The search for the scale and the minimum of a sub-block of Q2_K, Q4_K and Q5_K: x ≈ scale·q − minimum with weighted errors (helper Q of
/// spec/formats.md §3.5), for as many sub-blocks as a vector has lanes.
/// </summary>
/// <param name="Top">The largest code.</param>
/// <param name="Start">What the first try adds to the number of steps.</param>
/// <param name="Tries">Number of tries less one, each 0.1 steps further.</param>
/// <param name="Absolute">Whether errors count by magnitude and not by square.</param>
internal sealed record AffineSearch(int Top, float Start, int Tries, bool Absolute)
{
    private const float Step = 0.1f;

    /// <summary>What was found for each lane: scale, minimum (subtracted), and the factor and offset that give the codes of the search.</summary>
    public readonly record struct Found(Vector<float> Scale, Vector<float> Minimum, Vector<float> Factor, Vector<float> Offset);

    /// <summary>Searches for elements <paramref name="x"/>; <paramref name="weights"/> and <paramref name="codes"/> are room for as many.</summary>
    public Found Run(ReadOnlySpan<Vector<float>> x, Span<Vector<float>> weights, Span<Vector<float>> codes)
    {
        Weigh(x, weights);
        Vector<int> low = SubBlockLanes.Limit(0), high = SubBlockLanes.Limit(Top);
        bool absolute = Absolute;
        Vector<float> smallest = x[0], max = x[0], sumW = weights[0], sumX = sumW * x[0];
        for (int i = 1; i < x.Length; i++)
        {
            smallest = Vector.MinNative(smallest, x[i]);
            max = Vector.MaxNative(max, x[i]);
            sumW += weights[i];
            sumX += weights[i] * x[i];
        }
        smallest = Vector.MinNative(smallest, Vector<float>.Zero);
        Vector<int> flat = Vector.Equals(smallest, max);

        Vector<float> min = smallest, range = max - min, factor = new Vector<float>(Top) / range, offset = min;
        Vector<float> scale = Vector<float>.One / factor, best = Vector<float>.Zero;
        for (int i = 0; i < x.Length; i++)
        {
            Vector<float> code = SubBlockLanes.Nearest(factor * (x[i] - min), low, high);
            best += weights[i] * Error(absolute, scale * code + min - x[i]);
        }

        for (int k = 0; k <= Tries; k++)
        {
            Vector<float> inverse = new Vector<float>(Start + Step * k + Top) / (max - min);
            Vector<float> sumL = Vector<float>.Zero, sumL2 = Vector<float>.Zero, sumXL = Vector<float>.Zero;
            for (int i = 0; i < x.Length; i++)
            {
                Vector<float> code = SubBlockLanes.Nearest(inverse * (x[i] - min), low, high), weighted = weights[i] * code;
                codes[i] = code;
                sumL += weighted;
                sumL2 += weighted * code;
                sumXL += weighted * x[i];
            }
            Vector<float> determinant = sumW * sumL2 - sumL * sumL;
            Vector<float> tryScale = (sumW * sumXL - sumX * sumL) / determinant, tryMin = (sumL2 * sumX - sumL * sumXL) / determinant;
            Vector<int> positive = Vector.GreaterThan(tryMin, Vector<float>.Zero);
            tryScale = Vector.ConditionalSelect(positive, sumXL / sumL2, tryScale);
            tryMin = Vector.AndNot(tryMin, Vector.AsVectorSingle(positive));
            Vector<float> error = Vector<float>.Zero;
            for (int i = 0; i < x.Length; i++)
                error += weights[i] * Error(absolute, tryScale * codes[i] + tryMin - x[i]);
            Vector<int> better = Vector.LessThan(error, best) & Vector.GreaterThan(determinant, Vector<float>.Zero);
            best = Vector.ConditionalSelect(better, error, best);
            scale = Vector.ConditionalSelect(better, tryScale, scale);
            factor = Vector.ConditionalSelect(better, inverse, factor);
            offset = Vector.ConditionalSelect(better, min, offset);
            min = Vector.ConditionalSelect(better, tryMin, min);
        }
        Vector<float> kept = Vector.AsVectorSingle(~flat);
        return new(scale & kept, -Vector.ConditionalSelect(flat, smallest, min), factor & kept, offset & kept);
    }

    private static Vector<float> Error(bool absolute, Vector<float> difference) => absolute ? Vector.Abs(difference) : difference * difference;

    private void Weigh(ReadOnlySpan<Vector<float>> x, Span<Vector<float>> weights)
    {
        Vector<float> typical = Vector<float>.Zero;
        if (!Absolute)
        {
            foreach (Vector<float> v in x)
                typical += v * v;
            typical = Vector.SquareRoot(typical / new Vector<float>(x.Length));
        }
        for (int i = 0; i < x.Length; i++)
            weights[i] = typical + Vector.Abs(x[i]);
    }
}
