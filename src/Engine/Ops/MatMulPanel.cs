using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>
/// Products on processors that run kernels. A group is one lane with a large tile: it packs a block of a and panels of b as fp32, and passes over
/// them with 4 × 32 sums, which the driver's compiler turns into vectors held in registers.
/// </summary>
internal static unsafe partial class MatMul
{
    private const int StripRows = 4, PanelColumns = 32;

    private static readonly Kernel PanelTiles = Kernel.Of(typeof(MatMul), nameof(PanelKernel));

    // Tiles as large as the kernel takes, and smaller ones where these would leave processors idle.
    private static (int Rows, int Columns) PanelTile(KernelDevice gpu, in Product p, MatMulTile tile)
    {
        int rows = Even(p.M, tile.Rows, StripRows), columns = Even(p.N, tile.Columns, PanelColumns);
        while (Tiles(p.M, rows) * Tiles(p.N, columns) * p.Count < 2 * gpu.Capabilities.ComputeUnits && (rows > 32 || columns > PanelColumns))
        {
            if (rows >= columns)
                rows = Even(p.M, rows / 2, StripRows);
            else
                columns = Even(p.N, columns / 2, PanelColumns);
        }
        return (rows, columns);
    }

    // The size of equal tiles no larger than most, in multiples of unit.
    private static int Even(int size, int most, int unit)
    {
        int tiles = (size + most - 1) / most;
        return ((size + tiles - 1) / tiles + unit - 1) / unit * unit;
    }

    [Kernel(Lanes = 1)]
    private static void PanelKernel<TA, TB, TC>(View<TA> a, View<TB> b, View<TC> c, int m, int n, int kAll, int kPart, int kStep, long strideA, long strideB, long strideC,
        float alpha, bool accumulate, int tileRows, int tileColumns, [Const(0)] bool transA, [Const(1)] bool transB,
        [Const(256)] int mostRows, [Const(128)] int mostColumns, [Const(128)] int depth)
        where TA : unmanaged where TB : unmanaged where TC : unmanaged
    {
        Shared<float> left = Gpu.Shared<float>(mostRows * depth), right = Gpu.Shared<float>(mostColumns * depth), sums = Gpu.Shared<float>(mostRows * mostColumns);
        Private<float> acc = Gpu.Private<float>(StripRows * PanelColumns);
        int tilesN = (n + tileColumns - 1) / tileColumns, i0 = Gpu.Group / tilesN * tileRows, j0 = Gpu.Group % tilesN * tileColumns;
        int rows = Math.Min(tileRows, m - i0), columns = Math.Min(tileColumns, n - j0), k = Math.Min(kPart, kAll - Gpu.GroupZ * kStep);
        View<TA> aOf = a.At(Gpu.GroupZ * strideA);
        View<TB> bOf = b.At(Gpu.GroupZ * strideB);
        for (int p0 = 0; p0 == 0 || p0 < k; p0 += depth)
        {
            int kc = Math.Min(depth, k - p0);
            if (transA)
            {
                for (int p = 0; p < kc; p++)
                {
                    // Strip by strip, so that one stays in the nearest cache; rows past the end repeat the last.
                    View<TA> from = aOf.At((long)(p0 + p) * m);
                    for (int i = 0; i < rows; i += StripRows)
                        for (int x = 0; x < StripRows; x++)
                            left[i * depth + p * StripRows + x] = from.Load(i0 + Math.Min(i + x, rows - 1));
                }
            }
            else
            {
                for (int i = 0; i < rows; i++)
                {
                    View<TA> from = aOf.At((long)(i0 + i) * kAll);
                    for (int p = 0; p < kc; p++)
                        left[i * depth + p] = from.Load(p0 + p);
                }
            }
            if (transB)
            {
                for (int j = 0; j < columns; j++)
                {
                    View<TB> from = bOf.At((long)(j0 + j) * kAll);
                    int to = j / PanelColumns * depth * PanelColumns + j % PanelColumns;
                    if (Gpu.InBlocks<TB>())
                    {
                        for (int p = 0; p < kc; p += 4)
                        {
                            Vector4 v = from.Load4(p0 + p);
                            right[to + p * PanelColumns] = v.X;
                            right[to + (p + 1) * PanelColumns] = v.Y;
                            right[to + (p + 2) * PanelColumns] = v.Z;
                            right[to + (p + 3) * PanelColumns] = v.W;
                        }
                    }
                    else
                    {
                        for (int p = 0; p < kc; p++)
                            right[to + p * PanelColumns] = from.Load(p0 + p);
                    }
                }
            }
            else
            {
                for (int p = 0; p < kc; p++)
                {
                    View<TB> from = bOf.At((long)(p0 + p) * n);
                    for (int j = 0; j < columns; j += PanelColumns)
                    {
                        int to = (j * depth) + p * PanelColumns;
                        if (Gpu.InBlocks<TB>())
                        {
                            for (int x = 0; x < PanelColumns; x += 4)
                                right.Store4(to + x, from.Load4(j0 + j + x));
                        }
                        else
                        {
                            for (int x = 0; x < Math.Min(PanelColumns, columns - j); x++)
                                right[to + x] = from.Load(j0 + j + x);
                        }
                    }
                }
            }
            for (int j = 0; j < columns; j += PanelColumns)
            {
                for (int i = 0; i < rows; i += StripRows)
                {
                    Shared<float> sum = sums.At(i * mostColumns + j * StripRows), panel = right.At(j * depth), strip = left.At(i * depth);
                    for (int x = 0; x < StripRows * PanelColumns / 32; x++)
                        for (int y = 0; y < 32; y++)
                            acc[x * 32 + y] = p0 > 0 ? sum[x * 32 + y] : 0f;
                    for (int p = 0; p < kc; p++)
                    {
                        for (int x = 0; x < StripRows; x++)
                        {
                            float value = strip[transA ? p * StripRows + x : x * depth + p];
                            for (int y = 0; y < PanelColumns; y++)
                                acc[x * PanelColumns + y] += value * panel[p * PanelColumns + y];
                        }
                    }
                    for (int x = 0; x < StripRows * PanelColumns / 32; x++)
                        for (int y = 0; y < 32; y++)
                            sum[x * 32 + y] = acc[x * 32 + y];
                }
            }
        }
        View<TC> cOf = c.At(Gpu.GroupZ * strideC);
        for (int i = 0; i < rows; i++)
        {
            View<TC> to = cOf.At((long)(i0 + i) * n + j0);
            for (int j = 0; j < columns; j += PanelColumns)
            {
                Shared<float> sum = sums.At(i / StripRows * StripRows * mostColumns + j * StripRows + i % StripRows * PanelColumns);
                for (int x = 0; x < Math.Min(PanelColumns, columns - j); x++)
                    to.Store(j + x, accumulate ? to.Load(j + x) + alpha * sum[x] : alpha * sum[x]);
            }
        }
    }
}
