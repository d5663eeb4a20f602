using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>
/// Sums down the columns of a tall matrix, without atomics: an op's kernel or body sums chunks of rows, the second pass here adds the
/// chunks in order. How rows are cut depends on the shape alone, so a sum has the same bits in every run and whatever the thread count.
/// </summary>
internal static unsafe class ColumnSums
{
    private const int MostChunks = 512, LeastRows = 16;

    private static readonly Kernel AddChunks = Kernel.Of(typeof(ColumnSums), nameof(AddKernel));

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
