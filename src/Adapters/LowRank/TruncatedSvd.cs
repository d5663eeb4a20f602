namespace Marrow.Adapters.LowRank;

/// <summary>The leading part of a singular value decomposition M ≈ U·diag(s)·Vᵀ, in double precision.</summary>
/// <param name="Values">The k largest singular values, descending.</param>
/// <param name="Left">k left singular vectors, each of the rows' length.</param>
/// <param name="Right">k right singular vectors, each of the columns' length.</param>
/// <param name="SquaredNorm">‖M‖², of all of M.</param>
public sealed record TruncatedSvd(double[] Values, double[][] Left, double[][] Right, double SquaredNorm)
{
    /// <summary>The first <paramref name="k"/> parts.</summary>
    public TruncatedSvd First(int k) => k >= Values.Length ? this : new(Values[..k], Left[..k], Right[..k], SquaredNorm);

    /// <summary>Factors of LoRA whose product B·A is this: B = U·√s [rows, k] and A = √s·Vᵀ [k, columns] (spec/formats.md §8.7).</summary>
    public (float[] B, float[] A) Factors()
    {
        int k = Values.Length, rows = Left[0].Length, columns = Right[0].Length;
        float[] b = new float[(long)rows * k], a = new float[(long)k * columns];
        for (int c = 0; c < k; c++)
        {
            double root = Math.Sqrt(Values[c]);
            for (int i = 0; i < rows; i++)
                b[i * k + c] = (float)(root * Left[c][i]);
            for (int j = 0; j < columns; j++)
                a[c * columns + j] = (float)(root * Right[c][j]);
        }
        return (b, a);
    }
}
