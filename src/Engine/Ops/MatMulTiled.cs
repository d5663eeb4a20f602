using System.Numerics;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>
/// Products on GPUs in fp32. The lanes of a group bring a slice of both operands into shared memory as fp32 with k across, while they multiply the
/// slice before it; a lane holds rows and columns of the tile in fours, spread so that neighbours read neighbouring places.
/// </summary>
internal static unsafe partial class MatMul
{
    private static readonly Kernel RegisterTiles = Kernel.Of(typeof(MatMul), nameof(TiledKernel));

    // Four elements of a row; what lies beyond the matrix is zero.
    private static Vector4 Quad<T>(View<T> matrix, int stride, int row, int rows, int column, int columns, bool wide) where T : unmanaged
    {
        Vector4 v = Vector4.Zero;
        if (Gpu.InBlocks<T>())
        {
            // Rows are whole blocks, which hold whole fours.
            if (row < rows && column < columns)
                v = matrix.At((long)row * stride).Load4(column);
        }
        else if (row < rows)
        {
            View<T> from = matrix.At((long)row * stride + column);
            if (wide && column + 3 < columns)
            {
                v = from.Load4(0);
            }
            else
            {
                if (column < columns)
                    v.X = from.Load(0);
                if (column + 1 < columns)
                    v.Y = from.Load(1);
                if (column + 2 < columns)
                    v.Z = from.Load(2);
                if (column + 3 < columns)
                    v.W = from.Load(3);
            }
        }
        return v;
    }

    private static void Put<T>(View<T> to, int i, float value, bool accumulate) where T : unmanaged => to.Store(i, accumulate ? to.Load(i) + value : value);

    [Kernel(Lanes = 256)]
    private static void TiledKernel<TA, TB, TC>(View<TA> a, View<TB> b, View<TC> c, int m, int n, int kAll, int kPart, int kStep, long strideA, long strideB, long strideC,
        float alpha, bool accumulate, bool wideA, bool wideB, bool wideC, [Const(0)] bool transA, [Const(1)] bool transB,
        [Const(128)] int tm, [Const(128)] int tn, [Const(8)] int tk, [Const(8)] int rm, [Const(8)] int rn)
        where TA : unmanaged where TB : unmanaged where TC : unmanaged
    {
        int quadsA = (tm * tk / 4 + Gpu.Lanes - 1) / Gpu.Lanes, quadsB = (tn * tk / 4 + Gpu.Lanes - 1) / Gpu.Lanes;
        Shared<float> left = Gpu.Shared<float>(2 * tk * (tm + 4)), right = Gpu.Shared<float>(2 * tk * (tn + 4));
        Private<float> acc = Gpu.Private<float>(rm * rn), va = Gpu.Private<float>(rm), vb = Gpu.Private<float>(rn);
        Private<float> nextA = Gpu.Private<float>(4 * quadsA), nextB = Gpu.Private<float>(4 * quadsB);
        int tilesM = (m + tm - 1) / tm, tilesN = (n + tn - 1) / tn, k = Math.Min(kPart, kAll - Gpu.GroupZ * kStep);
        int i0 = RowOfTile(Gpu.Group, tilesM, tilesN) * tm, j0 = ColumnOfTile(Gpu.Group, tilesM, tilesN) * tn;
        int x = Gpu.Lane % (tn / rn), y = Gpu.Lane / (tn / rn);
        View<TA> aOf = a.At(Gpu.GroupZ * strideA);
        View<TB> bOf = b.At(Gpu.GroupZ * strideB);
        // Round t fetches slice t, multiplies slice t − 1, and puts slice t where t − 2 lay.
        for (int p0 = 0; p0 < k + tk; p0 += tk)
        {
            int slot = p0 / tk % 2;
            if (p0 < k)
            {
                for (int u = 0; u < quadsA; u++)
                {
                    int q = Gpu.Lane + u * Gpu.Lanes;
                    Vector4 v = transA ? Quad(aOf, m, p0 + q / (tm / 4), k, i0 + q % (tm / 4) * 4, m, wideA)
                        : Quad(aOf, kAll, i0 + q / (tk / 4), m, p0 + q % (tk / 4) * 4, k, wideA);
                    nextA[4 * u] = v.X;
                    nextA[4 * u + 1] = v.Y;
                    nextA[4 * u + 2] = v.Z;
                    nextA[4 * u + 3] = v.W;
                }
                for (int u = 0; u < quadsB; u++)
                {
                    int q = Gpu.Lane + u * Gpu.Lanes;
                    Vector4 v = transB ? Quad(bOf, kAll, j0 + q / (tk / 4), n, p0 + q % (tk / 4) * 4, k, wideB)
                        : Quad(bOf, n, p0 + q / (tn / 4), k, j0 + q % (tn / 4) * 4, n, wideB);
                    nextB[4 * u] = v.X;
                    nextB[4 * u + 1] = v.Y;
                    nextB[4 * u + 2] = v.Z;
                    nextB[4 * u + 3] = v.W;
                }
            }
            if (p0 > 0)
            {
                Shared<float> ls = left.At((1 - slot) * tk * (tm + 4)), rs = right.At((1 - slot) * tk * (tn + 4));
                for (int p = 0; p < tk; p++)
                {
                    for (int i = 0; i < rm; i += 4)
                    {
                        Vector4 v = ls.Load4(p * (tm + 4) + i * (tm / rm) + 4 * y);
                        va[i] = v.X;
                        va[i + 1] = v.Y;
                        va[i + 2] = v.Z;
                        va[i + 3] = v.W;
                    }
                    for (int j = 0; j < rn; j += 4)
                    {
                        Vector4 v = rs.Load4(p * (tn + 4) + j * (tn / rn) + 4 * x);
                        vb[j] = v.X;
                        vb[j + 1] = v.Y;
                        vb[j + 2] = v.Z;
                        vb[j + 3] = v.W;
                    }
                    for (int i = 0; i < rm; i++)
                        for (int j = 0; j < rn; j++)
                            acc[i * rn + j] += va[i] * vb[j];
                }
            }
            if (p0 < k)
            {
                Shared<float> ls = left.At(slot * tk * (tm + 4)), rs = right.At(slot * tk * (tn + 4));
                for (int u = 0; u < quadsA; u++)
                {
                    int q = Gpu.Lane + u * Gpu.Lanes;
                    if (q < tm * tk / 4)
                    {
                        for (int e = 0; e < 4; e++)
                            ls[transA ? q / (tm / 4) * (tm + 4) + q % (tm / 4) * 4 + e : (q % (tk / 4) * 4 + e) * (tm + 4) + q / (tk / 4)] = nextA[4 * u + e];
                    }
                }
                for (int u = 0; u < quadsB; u++)
                {
                    int q = Gpu.Lane + u * Gpu.Lanes;
                    if (q < tn * tk / 4)
                    {
                        for (int e = 0; e < 4; e++)
                            rs[transB ? (q % (tk / 4) * 4 + e) * (tn + 4) + q / (tk / 4) : q / (tn / 4) * (tn + 4) + q % (tn / 4) * 4 + e] = nextB[4 * u + e];
                    }
                }
            }
            Gpu.Barrier();
        }
        View<TC> cOf = c.At(Gpu.GroupZ * strideC);
        for (int i = 0; i < rm; i++)
        {
            int row = i0 + i / 4 * 4 * (tm / rm) + 4 * y + i % 4;
            if (row < m)
            {
                View<TC> to = cOf.At((long)row * n);
                for (int j = 0; j < rn; j += 4)
                {
                    int column = j0 + j * (tn / rn) + 4 * x;
                    if (wideC && column + 3 < n)
                    {
                        Vector4 v = new Vector4(acc[i * rn + j], acc[i * rn + j + 1], acc[i * rn + j + 2], acc[i * rn + j + 3]) * alpha;
                        to.Store4(column, accumulate ? to.Load4(column) + v : v);
                    }
                    else
                    {
                        for (int e = 0; e < 4; e++)
                        {
                            if (column + e < n)
                                Put(to, column + e, alpha * acc[i * rn + j + e], accumulate);
                        }
                    }
                }
            }
        }
    }
}
