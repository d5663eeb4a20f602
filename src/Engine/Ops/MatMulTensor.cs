using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>
/// Products on tensor cores in bf16 with fp32 sums (and by plain loops on other devices). Slices of both operands lie in shared memory as they lie in
/// memory, so that nothing is transposed on the way; the next slice is copied while the warps multiply the present one.
/// </summary>
internal static unsafe partial class MatMul
{
    private static readonly Kernel TensorTiles = Kernel.Of(typeof(MatMul), nameof(TensorKernel));

    private static void LaunchTensor(KernelDevice gpu, Grid grid, in Product p, Arg a, Arg b, Arg c, MatMulTile tile, int depth, int step, float alpha, bool accumulate, bool wideA, bool wideB, bool wideC)
    {
        gpu.Launch(TensorTiles, grid, a, b, c, p.M, p.N, p.K, depth, step, p.StrideA, p.StrideB, p.StrideC, alpha, accumulate, wideA, wideB, wideC, p.TransA, p.TransB,
            tile.Rows, tile.Columns, tile.Depth, tile.LaneRows, tile.LaneColumns, IsEight(p.A, p.TransA ? p.M : p.K, p.StrideA), IsEight(p.B, p.TransB ? p.K : p.N, p.StrideB));
    }

    // bf16 in rows of eight at a time: these need no conversion and are copied as they are.
    private static bool IsEight(Tensor t, int width, long stride) => t.DType == DType.BF16 && width % 8 == 0 && stride % 8 == 0 && t.Offset % 16 == 0;

    // A slice of rows × columns into shared memory by all lanes, zero where the matrix has ended.
    private static void Fill<T>(Shared<BFloat16> to, int pitch, View<T> matrix, int stride, int row, int rowEnd, int column, int columnEnd, int rows, int columns, bool wide) where T : unmanaged
    {
        for (int q = Gpu.Lane; q < rows * columns / 4; q += Gpu.Lanes)
        {
            int i = q / (columns / 4), j = q % (columns / 4) * 4;
            to.Store4(i * pitch + j, Quad(matrix, stride, row + i, rowEnd, column + j, columnEnd, wide));
        }
    }

    // As Fill, eight elements at a time without a look at them; rows end with a multiple of eight.
    private static void Copy<T>(Shared<BFloat16> to, int pitch, View<T> matrix, int stride, int row, int rowEnd, int column, int columnEnd, int rows, int columns) where T : unmanaged
    {
        // Counted so that the compiler sees how often: most tiles need two or four rounds.
        for (int u = 0; u < (rows * columns / 8 + Gpu.Lanes - 1) / Gpu.Lanes; u++)
        {
            int q = Gpu.Lane + u * Gpu.Lanes, i = q / (columns / 8), j = q % (columns / 8) * 8;
            if (i < rows && row + i < rowEnd && column + j < columnEnd)
            {
                Gpu.CopyEight(to.At(i * pitch + j), matrix.At((long)(row + i) * stride + column + j));
            }
            else if (i < rows)
            {
                to.Store4(i * pitch + j, Vector4.Zero);
                to.Store4(i * pitch + j + 4, Vector4.Zero);
            }
        }
    }

    [Kernel(Lanes = 256)]
    private static void TensorKernel<TA, TB, TC>(View<TA> a, View<TB> b, View<TC> c, int m, int n, int kAll, int kPart, int kStep, long strideA, long strideB, long strideC,
        float alpha, bool accumulate, bool wideA, bool wideB, bool wideC, [Const(0)] bool transA, [Const(1)] bool transB,
        [Const(128)] int tm, [Const(128)] int tn, [Const(32)] int tk, [Const(4)] int rows, [Const(4)] int columns, [Const(0)] bool eightA, [Const(0)] bool eightB)
        where TA : unmanaged where TB : unmanaged where TC : unmanaged
    {
        int pitchA = transA ? tm + 8 : tk + 8, pitchB = transB ? tk + 8 : tn + 8;
        int sizeA = transA ? tk * (tm + 8) : tm * (tk + 8), sizeB = transB ? tn * (tk + 8) : tk * (tn + 8);
        Shared<BFloat16> left = Gpu.Shared<BFloat16>(2 * sizeA), right = Gpu.Shared<BFloat16>(2 * sizeB);
        Private<float> acc = Gpu.Private<float>(4 * rows * columns);
        int tilesM = (m + tm - 1) / tm, tilesN = (n + tn - 1) / tn, k = Math.Min(kPart, kAll - Gpu.GroupZ * kStep);
        int i0 = RowOfTile(Gpu.Group, tilesM, tilesN) * tm, j0 = ColumnOfTile(Gpu.Group, tilesM, tilesN) * tn;
        int warp = Gpu.Lane / 32, wi = warp / (tn / (8 * columns)) * 16 * rows, wj = warp % (tn / (8 * columns)) * 8 * columns;
        View<TA> aOf = a.At(Gpu.GroupZ * strideA);
        View<TB> bOf = b.At(Gpu.GroupZ * strideB);
        for (int p0 = -tk; p0 < k; p0 += tk)
        {
            int next = p0 + tk, slot = next / tk % 2;
            Gpu.CopiesDone();
            Gpu.Barrier();
            if (next < k)
            {
                Shared<BFloat16> l = left.At(slot * sizeA), r = right.At(slot * sizeB);
                if (eightA)
                {
                    if (transA)
                        Copy(l, pitchA, aOf, m, next, k, i0, m, tk, tm);
                    else
                        Copy(l, pitchA, aOf, kAll, i0, m, next, k, tm, tk);
                }
                else if (transA)
                {
                    Fill(l, pitchA, aOf, m, next, k, i0, m, tk, tm, wideA);
                }
                else
                {
                    Fill(l, pitchA, aOf, kAll, i0, m, next, k, tm, tk, wideA);
                }
                if (eightB)
                {
                    if (transB)
                        Copy(r, pitchB, bOf, kAll, j0, n, next, k, tn, tk);
                    else
                        Copy(r, pitchB, bOf, n, next, k, j0, n, tk, tn);
                }
                else if (transB)
                {
                    Fill(r, pitchB, bOf, kAll, j0, n, next, k, tn, tk, wideB);
                }
                else
                {
                    Fill(r, pitchB, bOf, n, next, k, j0, n, tk, tn, wideB);
                }
            }
            if (p0 >= 0)
            {
                Shared<BFloat16> l = left.At((1 - slot) * sizeA), r = right.At((1 - slot) * sizeB);
                for (int p = 0; p < tk; p += 16)
                {
                    Gpu.WarpMultiply(l.At(transA ? p * pitchA + wi : wi * pitchA + p), pitchA, transA, r.At(transB ? wj * pitchB + p : p * pitchB + wj), pitchB, !transB, acc, rows, columns);
                }
            }
        }
        View<TC> cOf = c.At(Gpu.GroupZ * strideC);
        for (int x = 0; x < rows; x++)
        {
            for (int half = 0; half < 2; half++)
            {
                int row = i0 + wi + 16 * x + Gpu.Lane % 32 / 4 + 8 * half;
                if (row < m)
                {
                    View<TC> to = cOf.At((long)row * n);
                    for (int y = 0; y < columns; y++)
                    {
                        int column = j0 + wj + 8 * y + 2 * (Gpu.Lane % 4), at = 4 * (x * columns + y) + 2 * half;
                        if (wideC && column < n)
                        {
                            float first = alpha * acc[at], second = alpha * acc[at + 1];
                            to.Store2(column, accumulate ? first + to.Load(column) : first, accumulate ? second + to.Load(column + 1) : second);
                        }
                        else
                        {
                            if (column < n)
                                Put(to, column, alpha * acc[at], accumulate);
                            if (column + 1 < n)
                                Put(to, column + 1, alpha * acc[at + 1], accumulate);
                        }
                    }
                }
            }
        }
    }
}
