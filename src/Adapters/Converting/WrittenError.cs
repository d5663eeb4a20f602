using System.Numerics.Tensors;

namespace Marrow.Adapters.Converting;

/// <summary>How far factors, as they are written, are from the change that they stand for.</summary>
internal static class WrittenError
{
    /// <summary>Puts one row of a change into <paramref name="values"/>; rows are asked for by several threads.</summary>
    internal delegate void RowReader(int row, Span<double> values);

    /// <summary>The rows of a row-major matrix.</summary>
    public static RowReader Rows(float[] matrix, int columns) => (o, values) => TensorPrimitives.ConvertChecked<float, double>(matrix.AsSpan(o * columns, columns), values);

    /// <summary>The rows of a row-major matrix.</summary>
    public static RowReader Rows(double[] matrix, int columns) => (o, values) => matrix.AsSpan(o * columns, columns).CopyTo(values);

    /// <summary>The rows of B·A, which is never made whole.</summary>
    public static RowReader Product(double[] b, double[] a, int columns) => (o, values) =>
    {
        int rank = a.Length / columns;
        values.Clear();
        for (int k = 0; k < rank; k++)
            TensorPrimitives.MultiplyAdd(a.AsSpan(k * columns, columns), b[o * rank + k], values, values);
    };

    /// <summary>‖Δ − B·A‖² of fp32 factors B [rows, rank] and A [rank, columns].</summary>
    public static double Squares(RowReader change, float[] b, float[] a, int rank)
    {
        int rows = b.Length / rank, columns = a.Length / rank;
        var sums = new double[rows];
        Parallel.For(0, rows, () => new double[columns], (o, _, row) =>
        {
            change(o, row);
            for (int k = 0; k < rank; k++)
            {
                double factor = b[o * rank + k];
                ReadOnlySpan<float> right = a.AsSpan(k * columns, columns);
                for (int j = 0; j < right.Length; j++)
                    row[j] -= factor * right[j];
            }
            sums[o] = TensorPrimitives.SumOfSquares<double>(row);
            return row;
        }, _ => { });
        return sums.Sum();
    }
}
