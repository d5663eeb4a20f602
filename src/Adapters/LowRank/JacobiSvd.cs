using System.Numerics.Tensors;

namespace Marrow.Adapters.LowRank;

/// <summary>
/// The whole singular value decomposition of a small or narrow matrix: QR, then one-sided Jacobi rotations (Hestenes), which find small singular values
/// to high relative accuracy. Double precision.
/// </summary>
internal static class JacobiSvd
{
    private const int MostSweeps = 60;
    private const double Aligned = 1e-14;

    /// <summary>Decomposes a matrix of n columns of length m ≥ n, which are spoilt: n values (descending), n left vectors of length m, n right ones of length n.</summary>
    public static (double[] Values, double[][] Left, double[][] Right) Of(double[][] columns)
    {
        int n = columns.Length, m = columns[0].Length;
        double[][] work = columns, q = columns;
        if (m > n)
            work = Orthogonal.Decompose(q);
        double[][] v = Identity(n);
        Rotate(work, v);
        double[] values = [.. work.Select(c => Orthogonal.Norm(c))];
        int[] order = [.. Enumerable.Range(0, n).OrderByDescending(j => values[j])];
        var left = new double[n][];
        for (int j = 0; j < n; j++)
        {
            double[] u = work[order[j]];
            if (values[order[j]] > 0)
                TensorPrimitives.Divide(u, values[order[j]], u);
            left[j] = m > n ? Combine(q, u) : u;
        }
        return ([.. order.Select(j => values[j])], left, [.. order.Select(j => v[j])]);
    }

    private static void Rotate(double[][] a, double[][] v)
    {
        int n = a.Length;
        for (int sweep = 0; sweep < MostSweeps; sweep++)
        {
            bool rotated = false;
            for (int p = 0; p < n - 1; p++)
            {
                for (int q = p + 1; q < n; q++)
                {
                    double alpha = TensorPrimitives.Dot<double>(a[p], a[p]), beta = TensorPrimitives.Dot<double>(a[q], a[q]), gamma = TensorPrimitives.Dot<double>(a[p], a[q]);
                    if (!(Math.Abs(gamma) > Aligned * Math.Sqrt(alpha * beta)) || gamma == 0)
                        continue;
                    rotated = true;
                    double zeta = (beta - alpha) / (2 * gamma), t = Math.CopySign(1 / (Math.Abs(zeta) + Math.Sqrt(1 + zeta * zeta)), zeta);
                    double c = 1 / Math.Sqrt(1 + t * t), s = c * t;
                    Turn(a[p], a[q], c, s);
                    Turn(v[p], v[q], c, s);
                }
            }
            if (!rotated)
                return;
        }
    }

    private static void Turn(double[] p, double[] q, double c, double s)
    {
        for (int i = 0; i < p.Length; i++)
            (p[i], q[i]) = (c * p[i] - s * q[i], s * p[i] + c * q[i]);
    }

    /// <summary>Σ_i weights[i]·vectors[i].</summary>
    internal static double[] Combine(double[][] vectors, ReadOnlySpan<double> weights)
    {
        var sum = new double[vectors[0].Length];
        for (int i = 0; i < vectors.Length; i++)
            TensorPrimitives.MultiplyAdd(vectors[i], weights[i], sum, sum);
        return sum;
    }

    private static double[][] Identity(int n)
    {
        var columns = new double[n][];
        for (int j = 0; j < n; j++)
            (columns[j] = new double[n])[j] = 1;
        return columns;
    }
}
