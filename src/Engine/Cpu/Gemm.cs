using System.Runtime.Intrinsics;

namespace Marrow.Engine.Cpu;

/// <summary>
/// Matrix products on the CPU: C[m, n] = alpha·op(A)[m, k]·op(B)[k, n] + beta·C, all row-major, C and the sums in fp32.
/// </summary>
/// <remarks>
/// Every element of C is summed in one fixed order: runs of 384 along k, each in the order of k by multiply-adds, the runs added up in
/// order. The order depends on nothing else: not on the number of threads, not on m or n, not on where the element stands, not on
/// strides or transposition. So the rows of a product over a large batch have the bits of the same rows computed in smaller batches,
/// and any thread count gives the same bits. (Between processors with and without fused multiply-add the bits differ.)
/// A matrix stored in blocks gives the bits of its decoded values. Where beta is 0, C is only written, never read. NaN and infinity pass through as the arithmetic has it.
/// </remarks>
public static unsafe class Gemm
{
    /// <summary>Below this many multiply-adds a product is not worth waking another thread.</summary>
    private const double SerialWork = 5e5;

    /// <summary>Multiply-adds that a task of a shared product has at least.</summary>
    private const double TaskWork = 1e6;

    /// <summary>Computes the product on all threads of <paramref name="pool"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A size is negative, or a stride is less than the width of its rows.</exception>
    public static void Run(WorkerPool pool, int m, int n, int k, float alpha, GemmOperand a, GemmOperand b, float beta, float* c, int strideC)
    {
        var call = Check(m, n, k, alpha, a, b, beta, c, strideC);
        double work = (double)m * n * k;
        if (b.Format is not null)
        {
            GemmSlabs.Run(pool, in call, work >= SerialWork);
            return;
        }
        if (pool.Threads == 1 || work < SerialWork)
        {
            Serial(pool, in call, 0, m, 0, n);
            return;
        }
        // C is cut into a grid of tasks, more than the threads, since some cores may be slower or busy. Columns are cut first:
        // every task that shares columns with another packs the same part of B.
        int wanted = Tasks(pool, work);
        int rows = 1, columns = 1;
        while (rows * columns < wanted)
        {
            int height = m / rows, width = n / columns;
            if (width >= 8 * GemmBlock.MaxTileColumns || (height < 2 * GemmBlock.MaxTileRows && width >= 2 * GemmBlock.MaxTileColumns))
                columns *= 2;
            else if (height >= 2 * GemmBlock.MaxTileRows)
                rows *= 2;
            else
                break;
        }
        if (rows * columns == 1)
        {
            Serial(pool, in call, 0, m, 0, n);
            return;
        }
        var grid = new Grid(pool, in call, rows, columns);
        pool.For(rows * columns, ref grid);
    }

    /// <summary>Computes the product on the calling thread, for use inside a loop of <paramref name="pool"/>, which lends the work memory.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A size is negative, or a stride is less than the width of its rows.</exception>
    public static void RunSerial(WorkerPool pool, int m, int n, int k, float alpha, GemmOperand a, GemmOperand b, float beta, float* c, int strideC)
    {
        var call = Check(m, n, k, alpha, a, b, beta, c, strideC);
        if (b.Format is not null)
            GemmSlabs.Run(pool, in call, false);
        else
            Serial(pool, in call, 0, m, 0, n);
    }

    /// <summary>How many tasks are worth while.</summary>
    internal static int Tasks(WorkerPool pool, double work) => (int)Math.Clamp(work / TaskWork, pool.Threads, 4 * pool.Threads);

    /// <summary>Where part <paramref name="i"/> of <paramref name="parts"/> starts, on a whole number of tiles; the larger parts come first.</summary>
    internal static int Cut(int i, int parts, int length, int tile)
    {
        (int each, int extra) = Math.DivRem((length + tile - 1) / tile, parts);
        return Math.Min(length, (each * i + Math.Min(i, extra)) * tile);
    }

    private static GemmCall Check(int m, int n, int k, float alpha, GemmOperand a, GemmOperand b, float beta, float* c, int strideC)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(m);
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        ArgumentOutOfRangeException.ThrowIfNegative(k);
        ArgumentOutOfRangeException.ThrowIfLessThan(a.Stride, a.Transposed ? m : k, nameof(a));
        ArgumentOutOfRangeException.ThrowIfLessThan(b.Stride, b.Transposed ? k : n, nameof(b));
        ArgumentOutOfRangeException.ThrowIfLessThan(strideC, n);
        if (a.Format is not null)
            throw new ArgumentException("the first matrix of a product is fp32 or bf16", nameof(a));
        if (b.Format is { } format)
            ArgumentOutOfRangeException.ThrowIfNotEqual(b.Stride % format.Elements, 0, nameof(b));
        return new GemmCall { Rows = m, Columns = n, K = k, Alpha = alpha, Beta = beta, A = a, B = b, C = c, StrideC = strideC };
    }

    internal static void Serial(WorkerPool pool, in GemmCall call, int m0, int m1, int n0, int n1)
    {
        if (m0 == m1 || n0 == n1)
            return;
        if (call.K == 0)
        {
            Scale(in call, m0, m1, n0, n1);
            return;
        }
        using ScratchSet.Lease scratch = pool.Scratch.Rent(GemmBlock.ScratchBytes);
        float* memory = (float*)scratch.Data;
        if (Vector512.IsHardwareAccelerated)
            GemmBlock<Lanes512, Vector512<float>>.Run(in call, m0, m1, n0, n1, memory);
        else if (Vector256.IsHardwareAccelerated)
            GemmBlock<Lanes256, Vector256<float>>.Run(in call, m0, m1, n0, n1, memory);
        else
            GemmBlock<Lanes128, Vector128<float>>.Run(in call, m0, m1, n0, n1, memory);
    }

    private static void Scale(in GemmCall call, int m0, int m1, int n0, int n1)
    {
        for (int i = m0; i < m1; i++)
        {
            float* row = call.C + (nint)i * call.StrideC;
            for (int j = n0; j < n1; j++)
                row[j] = call.Beta == 0 ? 0 : call.Beta * row[j];
        }
    }

    private readonly struct Grid(WorkerPool pool, in GemmCall call, int rows, int columns) : IParallelBody
    {
        private readonly GemmCall _call = call;
        private readonly int _m = call.Rows, _n = call.Columns;

        public void Run(int index)
        {
            int row = index % rows, column = index / rows;
            Serial(pool, in _call, Cut(row, rows, _m, GemmBlock.MaxTileRows), Cut(row + 1, rows, _m, GemmBlock.MaxTileRows),
                Cut(column, columns, _n, GemmBlock.MaxTileColumns), Cut(column + 1, columns, _n, GemmBlock.MaxTileColumns));
        }
    }
}
