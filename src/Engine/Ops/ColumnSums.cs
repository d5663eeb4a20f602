using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>
/// Sums down the columns of a tall matrix, without atomics: an op's kernel or body sums chunks of rows, the second pass here adds the
/// chunks in order. How rows are cut depends on the shape alone, so a sum has the same bits in every run and whatever the thread count.
/// </summary>
internal static unsafe class ColumnSums
{
    private const int MostChunks = 512, LeastRows = 16;

    private static readonly Kernel AddChunks = Kernel.Of(typeof(ColumnSums), nameof(AddKernel)), ProductChunks = Kernel.Of(typeof(ColumnSums), nameof(ProductKernel));

    /// <summary>Room for the sums of each chunk, fp32 [chunks, <paramref name="columns"/>], and how many rows make a chunk.</summary>
    public static Tensor Partials(Tape tape, int rows, int columns, out int chunkRows)
    {
        chunkRows = Math.Max(LeastRows, (rows + MostChunks - 1) / MostChunks);
        return tape.New(new Shape((rows + chunkRows - 1) / chunkRows, columns));
    }

    /// <summary>Writes or adds the chunks' sums to <paramref name="sum"/>, [columns].</summary>
    public static void Finish(KernelDevice gpu, Tensor partials, Tensor sum, bool accumulate) =>
        gpu.Launch(AddChunks, gpu.Over(partials.Shape.Last), partials, sum, partials.Shape.Rows, partials.Shape.Last, accumulate);

    /// <summary>Adds the chunks' sums to <paramref name="sum"/>, [columns], on the CPU.</summary>
    public static void Finish(WorkerPool pool, Tensor partials, Tensor sum)
    {
        var body = new AddBody { Partials = partials.F32, Sum = sum.F32, Chunks = partials.Shape.Rows, N = partials.Shape.Last };
        pool.ForRange(body.N, 64, ref body);
    }

    /// <summary>
    /// Writes or adds Σ a∘b down the columns of [rows, n] to <paramref name="sum"/>, [n]; each row counts <paramref name="ofRow"/> times, [rows], and each column
    /// <paramref name="ofColumn"/> times, [n], where given.
    /// </summary>
    public static void Products(Tape tape, Tensor a, Tensor b, Tensor? ofRow, Tensor? ofColumn, Tensor sum, bool accumulate)
    {
        int n = sum.Shape.Elements, rows = (int)(a.Shape.Count / n);
        if (a.Device is KernelDevice gpu)
        {
            Tensor partials = Partials(tape, rows, n, out int chunkRows);
            gpu.Launch(ProductChunks, gpu.Over(n) with { Y = partials.Shape.Rows }, a, b, ofRow, ofColumn, partials, n, rows, chunkRows, ofRow is not null, ofColumn is not null);
            Finish(gpu, partials, sum, accumulate);
            return;
        }
        if (!accumulate)
            sum.Clear();
        var body = new ProductBody { A = a.F32, B = b.F32, OfRow = ofRow is null ? null : ofRow.F32, OfColumn = ofColumn is null ? null : ofColumn.F32, Sum = sum.F32, N = n, Rows = rows };
        ((CpuDevice)a.Device).Pool.ForRange(n, 64, ref body);
    }

    /// <summary>For bodies: where to add the sums of the chunk that begins at <paramref name="row"/>, zeroed; null where there are no partials.</summary>
    public static float* Chunk(float* partials, int row, int chunkRows, int columns)
    {
        if (partials is null)
            return null;
        float* sums = partials + (long)(row / chunkRows) * columns;
        new Span<float>(sums, columns).Clear();
        return sums;
    }

    [Kernel]
    private static void AddKernel<T>(View<float> partials, View<T> sum, int chunks, int n, bool accumulate) where T : unmanaged
    {
        int i = Gpu.Item;
        if (i < n)
        {
            float total = 0;
            for (int chunk = 0; chunk < chunks; chunk++)
                total += partials.At((long)chunk * n).Load(i);
            sum.Store(i, accumulate ? sum.Load(i) + total : total);
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void ProductKernel<TA, TB>(View<TA> a, View<TB> b, View<float> ofRow, View<float> ofColumn, View<float> partials, int n, int rows, int chunkRows, bool byRow, bool byColumn)
        where TA : unmanaged where TB : unmanaged
    {
        int i = Gpu.Item, first = Gpu.GroupY * chunkRows, end = Math.Min(first + chunkRows, rows);
        if (i < n)
        {
            float sum = 0;
            for (int row = first; row < end; row++)
            {
                float product = a.At((long)row * n).Load(i) * b.At((long)row * n).Load(i);
                sum += byRow ? product * ofRow[row] : product;
            }
            partials.At((long)Gpu.GroupY * n).Store(i, byColumn ? sum * ofColumn[i] : sum);
        }
    }

    // A range of columns at a time, rows in order, so that the order of the sum never changes.
    private struct ProductBody : IParallelRange
    {
        public float* A, B, OfRow, OfColumn, Sum;
        public int N, Rows;

        public readonly void Run(int start, int end)
        {
            for (int row = 0; row < Rows; row++)
            {
                float* a = A + (long)row * N, b = B + (long)row * N;
                float r = OfRow is null ? 1 : OfRow[row];
                int i = start;
                for (; i <= end - Simd.Width; i += Simd.Width)
                {
                    Vector<float> product = Vector.Load(a + i) * Vector.Load(b + i) * r;
                    (Vector.Load(Sum + i) + (OfColumn is null ? product : product * Vector.Load(OfColumn + i))).Store(Sum + i);
                }
                for (; i < end; i++)
                    Sum[i] += a[i] * b[i] * r * (OfColumn is null ? 1 : OfColumn[i]);
            }
        }
    }

    private struct AddBody : IParallelRange
    {
        public float* Partials, Sum;
        public int Chunks, N;

        public readonly void Run(int start, int end)
        {
            for (int chunk = 0; chunk < Chunks; chunk++)
                Simd.Add(Sum + start, Partials + (long)chunk * N + start, end - start);
        }
    }
}
