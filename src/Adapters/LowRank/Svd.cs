using System.Numerics.Tensors;
using Marrow.Adapters.Converting;
using Marrow.Engine.Training;

namespace Marrow.Adapters.LowRank;

/// <summary>
/// Leading singular values and vectors: exact where a side is small, else by random projection with power iterations, which is as good for all purposes
/// of adapters (Halko, Martinsson and Tropp, 2011). Deterministic, whatever the number of threads.
/// </summary>
public static class Svd
{
    private const int ExactSide = 256, ExactProduct = 512, Oversampling = 8, PowerIterations = 4;

    /// <summary>The leading <paramref name="k"/> parts (at most the smaller side) of a row-major matrix.</summary>
    public static TruncatedSvd Of(float[] values, int rows, int columns, int k)
    {
        double squares = 0;
        for (int i = 0; i < rows; i++)
            squares += SumOfSquares(values.AsSpan(i * columns, columns));
        int side = Math.Min(rows, columns);
        k = Math.Min(k, side);
        if (side <= ExactSide || k + Oversampling >= side / 2)
            return Whole(values, rows, columns, squares).First(k);
        return Randomised(values, rows, columns, k, squares).First(k);
    }

    /// <summary>
    /// The leading <paramref name="k"/> parts (at most R) of B·A, row-major B [rows, R] and A [R, columns]: exact, and the product is never made, unless R and both sides are large
    /// and the part is small.
    /// </summary>
    public static TruncatedSvd OfProduct(double[] b, double[] a, int rows, int columns, int k)
    {
        int rank = b.Length / rows, left = Math.Min(rank, rows), right = Math.Min(rank, columns), side = Math.Min(left, right);
        if (side > ExactProduct && k + Oversampling < side / 2 && (long)rows * columns <= AdapterMatrix.MostValues)
            return Of(Product(b, a, rows, columns), rows, columns, k);
        double[][] qb = ColumnsOf(b, rows, rank), qa = RowsOf(a, rank, columns);
        // B = Qb·Rb and Aᵀ = Qa·Ra, so B·A = Qb·(Rb·Raᵀ)·Qaᵀ. A factor that is wider than tall is its own R.
        double[][] rb = rank <= rows ? Orthogonal.Decompose(qb) : Swap(ref qb, rows), ra = rank <= columns ? Orthogonal.Decompose(qa) : Swap(ref qa, columns);
        var core = new double[right][];
        for (int j = 0; j < right; j++)
        {
            core[j] = new double[left];
            for (int l = 0; l < rank; l++)
                TensorPrimitives.MultiplyAdd(rb[l], ra[l][j], core[j], core[j]);
        }
        bool turned = right > left;
        var (values, u, v) = JacobiSvd.Of(turned ? Turned(core) : core);
        if (turned)
            (u, v) = (v, u);
        int kept = Math.Min(k, values.Length);
        double squares = values.Sum(s => s * s);
        return new TruncatedSvd(values[..kept], [.. u.Take(kept).Select(x => JacobiSvd.Combine(qb, x))], [.. v.Take(kept).Select(x => JacobiSvd.Combine(qa, x))], squares);
    }

    /// <summary>B·A, summed in double precision and rounded once.</summary>
    private static float[] Product(double[] b, double[] a, int rows, int columns)
    {
        int rank = b.Length / rows;
        var product = new float[(long)rows * columns];
        Parallel.For(0, rows, () => new double[columns], (o, _, row) =>
        {
            Array.Clear(row);
            for (int k = 0; k < rank; k++)
                TensorPrimitives.MultiplyAdd(a.AsSpan(k * columns, columns), b[o * rank + k], row, row);
            TensorPrimitives.ConvertTruncating<double, float>(row, product.AsSpan(o * columns, columns));
            return row;
        }, _ => { });
        return product;
    }

    internal static double SumOfSquares(ReadOnlySpan<float> x)
    {
        double sum = 0;
        foreach (float v in x)
            sum += (double)v * v;
        return sum;
    }

    private static TruncatedSvd Whole(float[] values, int rows, int columns, double squares)
    {
        bool wide = columns > rows;
        int n = Math.Min(rows, columns), m = Math.Max(rows, columns);
        var vectors = new double[n][];
        for (int j = 0; j < n; j++)
        {
            vectors[j] = new double[m];
            for (int i = 0; i < m; i++)
                vectors[j][i] = wide ? values[(long)j * columns + i] : values[(long)i * columns + j];
        }
        var (s, u, v) = JacobiSvd.Of(vectors);
        return new TruncatedSvd(s, wide ? v : u, wide ? u : v, squares);
    }

    private static TruncatedSvd Randomised(float[] values, int rows, int columns, int k, double squares)
    {
        int width = k + Oversampling;
        float[] turned = AdapterMatrix.Transpose(values, rows, columns);
        double[][] x = Enumerable.Range(0, width).Select(c => Normal(columns, (ulong)c)).ToArray();
        double[][] y = Times(values, rows, columns, x);
        for (int i = 0; i < PowerIterations; i++)
        {
            Orthogonal.Decompose(y);
            x = Times(turned, columns, rows, y);
            Orthogonal.Decompose(x);
            y = Times(values, rows, columns, x);
        }
        Orthogonal.Decompose(y);
        // M ≈ Q·(Mᵀ·Q)ᵀ, and Mᵀ·Q is narrow.
        var (s, right, inner) = JacobiSvd.Of(Times(turned, columns, rows, y));
        return new TruncatedSvd(s, [.. inner.Take(k).Select(v => JacobiSvd.Combine(y, v))], right, squares);
    }

    private static double[] Normal(int count, ulong site)
    {
        var values = new float[count];
        new SeededRandom(0x5EED, site).FillNormal(values, 1);
        return Array.ConvertAll(values, v => (double)v);
    }

    // M·X with X as its columns.
    private static double[][] Times(float[] matrix, int rows, int columns, double[][] x)
    {
        double[][] product = [.. x.Select(_ => new double[rows])];
        Parallel.For(0, rows, () => new double[columns], (i, _, row) =>
        {
            TensorPrimitives.ConvertChecked<float, double>(matrix.AsSpan(i * columns, columns), row);
            for (int c = 0; c < x.Length; c++)
                product[c][i] = TensorPrimitives.Dot<double>(row, x[c]);
            return row;
        }, _ => { });
        return product;
    }

    private static double[][] ColumnsOf(double[] matrix, int rows, int columns)
    {
        var split = new double[columns][];
        for (int j = 0; j < columns; j++)
        {
            split[j] = new double[rows];
            for (int i = 0; i < rows; i++)
                split[j][i] = matrix[(long)i * columns + j];
        }
        return split;
    }

    private static double[][] RowsOf(double[] matrix, int rows, int columns) => [.. Enumerable.Range(0, rows).Select(i => matrix.AsSpan(i * columns, columns).ToArray())];

    // The columns themselves in the basis of the axes.
    private static double[][] Swap(ref double[][] columns, int length)
    {
        double[][] r = columns;
        columns = [.. Enumerable.Range(0, length).Select(i => { var axis = new double[length]; axis[i] = 1; return axis; })];
        return r;
    }

    private static double[][] Turned(double[][] columns) => [.. Enumerable.Range(0, columns[0].Length).Select(i => columns.Select(c => c[i]).ToArray())];
}
