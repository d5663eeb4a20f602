using Marrow.Adapters.LowRank;
using Marrow.Engine.Training;

namespace Marrow.Adapters.Tests.LowRank;

/// <summary>Decompositions against what defines them, over many shapes.</summary>
public sealed class SvdTests
{
    public static TheoryData<int, int> Shapes => new() { { 1, 1 }, { 1, 7 }, { 7, 1 }, { 3, 3 }, { 5, 12 }, { 12, 5 }, { 33, 17 }, { 64, 64 }, { 40, 200 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_whole_decomposition_gives_the_matrix_back(int rows, int columns)
    {
        float[] m = Random(rows * columns, 1);
        TruncatedSvd svd = Svd.Of(m, rows, columns, int.MaxValue);
        Assert.Equal(Math.Min(rows, columns), svd.Values.Length);
        Assert.Equal(svd.Values.OrderDescending(), svd.Values);
        AssertOrthonormal(svd.Left);
        AssertOrthonormal(svd.Right);
        Assert.InRange(Distance(m, svd, rows, columns), 0, 1e-12 * Math.Sqrt(svd.SquaredNorm));
        Assert.InRange(RelativeError(svd), 0, 1e-7);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_product_is_decomposed_as_the_matrix_that_it_is(int rows, int columns)
    {
        foreach (int rank in new[] { 1, 3, 8, 50 })
        {
            double[] b = Doubles(rows * rank, 2), a = Doubles(rank * columns, 3);
            var product = new float[rows * columns];
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < columns; j++)
                    product[i * columns + j] = (float)Enumerable.Range(0, rank).Sum(k => b[i * rank + k] * a[k * columns + j]);
            int k = Math.Min(rank, Math.Min(rows, columns));
            TruncatedSvd whole = Svd.Of(product, rows, columns, k), svd = Svd.OfProduct([.. b], [.. a], rows, columns, k);
            Assert.Equal(k, svd.Values.Length);
            for (int i = 0; i < k; i++)
                Assert.Equal(whole.Values[i], svd.Values[i], 1e-5 * whole.Values[0]);
            Assert.InRange(Distance(product, svd, rows, columns), 0, 1e-6 * Math.Sqrt(svd.SquaredNorm));
        }
    }

    [Fact]
    public void Known_values_and_missing_ranks()
    {
        // Singular values 1.04696, 0.390235 and 0.107696 (spec/adapters.md, appendix A7).
        float[] w = [.. Enumerable.Range(0, 12).Select(k => ((5 * k + 1) % 11 - 5) / 10f)];
        TruncatedSvd svd = Svd.Of(w, 3, 4, 1);
        Assert.Equal(1.04696, svd.Values[0], 1e-5);
        Assert.Equal(Math.Sqrt((0.390235 * 0.390235 + 0.107696 * 0.107696) / (1.04696 * 1.04696 + 0.390235 * 0.390235 + 0.107696 * 0.107696)), RelativeError(svd), 1e-5);
        double[] residual = [0.00524067, -0.0576613, -0.127692, -0.190594, 0.0486574, 0.0755975, -0.0146633, 0.0122768, -0.0557606, -0.161589, -0.126849, -0.232678];
        for (int i = 0; i < 12; i++)
            Assert.Equal(residual[i], w[i] - svd.Values[0] * svd.Left[0][i / 4] * svd.Right[0][i % 4], 1e-6);
        // Equal rows, and nothing at all.
        svd = Svd.Of([1, 2, 1, 2, 1, 2], 3, 2, 2);
        Assert.Equal(Math.Sqrt(15), svd.Values[0], 1e-12);
        Assert.Equal(0, svd.Values[1], 1e-12);
        svd = Svd.Of(new float[20], 4, 5, 3);
        Assert.Equal([0, 0, 0], svd.Values);
        Assert.Equal(0, RelativeError(svd));
        Assert.All(svd.Factors().B, v => Assert.Equal(0, v));
    }

    [Fact]
    public void Random_projection_finds_the_leading_part()
    {
        const int Rows = 700, Columns = 600, Rank = 20;
        double[] b = Doubles(Rows * Rank, 4), a = Doubles(Rank * Columns, 5);
        float[] m = Random(Rows * Columns, 6);
        for (int i = 0; i < Rows; i++)
            for (int j = 0; j < Columns; j++)
                m[i * Columns + j] = (float)(0.01 * m[i * Columns + j] + Enumerable.Range(0, Rank).Sum(k => b[i * Rank + k] * a[k * Columns + j] / (1 + k)));
        TruncatedSvd leading = Svd.Of(m, Rows, Columns, Rank), exact = Svd.OfProduct([.. m.Select(v => (double)v)], [.. Enumerable.Range(0, Columns * Columns).Select(i => i % (Columns + 1) == 0 ? 1.0 : 0)], Rows, Columns, Rank);
        for (int i = 0; i < Rank; i++)
            Assert.Equal(exact.Values[i], leading.Values[i], 1e-9 * exact.Values[0]);
        Assert.Equal(RelativeError(exact), RelativeError(leading), 1e-6);
        TruncatedSvd again = Svd.Of(m, Rows, Columns, Rank);
        Assert.Equal(leading.Values, again.Values);
        Assert.Equal(leading.Left[3], again.Left[3]);
    }

    private static void AssertOrthonormal(double[][] vectors)
    {
        for (int i = 0; i < vectors.Length; i++)
            for (int j = 0; j <= i; j++)
                Assert.Equal(i == j ? 1 : 0, vectors[i].Zip(vectors[j], (x, y) => x * y).Sum(), 1e-11);
    }

    private static double Distance(float[] m, TruncatedSvd svd, int rows, int columns)
    {
        double sum = 0;
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                sum += Math.Pow(m[i * columns + j] - Enumerable.Range(0, svd.Values.Length).Sum(k => svd.Values[k] * svd.Left[k][i] * svd.Right[k][j]), 2);
        return Math.Sqrt(sum);
    }

    private static float[] Random(int count, ulong site)
    {
        var values = new float[count];
        new SeededRandom(9, site).FillNormal(values, 1);
        return values;
    }

    private static double[] Doubles(int count, ulong site) => Array.ConvertAll(Random(count, site), v => (double)v);

    private static double RelativeError(TruncatedSvd svd) => svd.SquaredNorm > 0 ? Math.Sqrt(Math.Max(0, 1 - svd.Values.Sum(s => s * s) / svd.SquaredNorm)) : 0;
}
