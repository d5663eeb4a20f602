using System.Numerics.Tensors;

namespace Marrow.Adapters.LowRank;

/// <summary>QR decompositions in double precision (Householder), on matrices given as their columns.</summary>
internal static class Orthogonal
{
    /// <summary>
    /// Replaces n columns of length m ≥ n by an orthonormal basis Q of their span (completed where they are dependent) and returns R as its columns:
    /// what was column j is Σ_i Q_i·R_j[i].
    /// </summary>
    public static double[][] Decompose(double[][] columns)
    {
        int n = columns.Length, m = n == 0 ? 0 : columns[0].Length;
        var r = new double[n][];
        var reflectors = new double[n][];
        for (int j = 0; j < n; j++)
        {
            double[] column = columns[j];
            for (int i = 0; i < j; i++)
                Reflect(reflectors[i], column.AsSpan(i));
            Span<double> rest = column.AsSpan(j);
            double norm = Norm(rest), first = rest[0] > 0 ? -norm : norm;
            var v = rest.ToArray();
            v[0] -= first;
            double length = Norm(v);
            if (length > 0)
                TensorPrimitives.Divide(v, length, v);
            reflectors[j] = v;
            r[j] = new double[n];
            column.AsSpan(0, j).CopyTo(r[j]);
            r[j][j] = first;
        }
        Parallel.For(0, n, j =>
        {
            double[] q = columns[j];
            Array.Clear(q, 0, m);
            q[j] = 1;
            for (int i = n - 1; i >= 0; i--)
                Reflect(reflectors[i], q.AsSpan(i));
        });
        return r;
    }

    /// <summary>The length of a vector, also where squares would overflow or vanish.</summary>
    public static double Norm(ReadOnlySpan<double> x)
    {
        double largest = Math.Abs(TensorPrimitives.MaxMagnitude(x));
        if (largest is 0 or double.PositiveInfinity || double.IsNaN(largest))
            return largest;
        if (largest is > 1e-140 and < 1e140)
            return TensorPrimitives.Norm(x);
        double sum = 0;
        foreach (double v in x)
            sum += v / largest * (v / largest);
        return largest * Math.Sqrt(sum);
    }

    // x − 2·v·(vᵀx), with a unit vector v, or nothing with a zero one.
    private static void Reflect(double[] v, Span<double> x) => TensorPrimitives.MultiplyAdd(v, -2 * TensorPrimitives.Dot(v, x), x, x);
}
