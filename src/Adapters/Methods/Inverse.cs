using System.Numerics.Tensors;

namespace Marrow.Adapters.Methods;

/// <summary>The inverse of a small square matrix in double precision (Gauss–Jordan with row pivots).</summary>
internal static class Inverse
{
    private const double SmallestPivot = 1e-12;

    /// <summary>Inverts a row-major n×n matrix in place; false, with the contents spoilt, where it is singular.</summary>
    public static bool Of(Span<double> matrix, int n)
    {
        double scale = Math.Abs(TensorPrimitives.MaxMagnitude<double>(matrix));
        var swaps = new int[n];
        for (int k = 0; k < n; k++)
        {
            int pivot = k;
            for (int i = k + 1; i < n; i++)
            {
                if (Math.Abs(matrix[i * n + k]) > Math.Abs(matrix[pivot * n + k]))
                    pivot = i;
            }
            swaps[k] = pivot;
            Swap(matrix.Slice(k * n, n), matrix.Slice(pivot * n, n));
            double top = matrix[k * n + k];
            if (!(Math.Abs(top) > SmallestPivot * scale))
                return false;
            Span<double> row = matrix.Slice(k * n, n);
            row[k] = 1;
            TensorPrimitives.Divide(row, top, row);
            for (int i = 0; i < n; i++)
            {
                if (i == k)
                    continue;
                Span<double> other = matrix.Slice(i * n, n);
                double factor = other[k];
                other[k] = 0;
                TensorPrimitives.MultiplyAdd(row, -factor, other, other);
            }
        }
        for (int k = n - 1; k >= 0; k--)
        {
            for (int i = 0; swaps[k] != k && i < n; i++)
                (matrix[i * n + k], matrix[i * n + swaps[k]]) = (matrix[i * n + swaps[k]], matrix[i * n + k]);
        }
        return true;
    }

    private static void Swap(Span<double> a, Span<double> b)
    {
        for (int i = 0; i < a.Length; i++)
            (a[i], b[i]) = (b[i], a[i]);
    }
}
