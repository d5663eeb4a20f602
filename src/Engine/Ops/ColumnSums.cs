using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>
/// Sums down the columns of a tall matrix on a device, without atomics: an op's kernel sums chunks of rows, the second pass here adds the
/// chunks in order. How rows are cut depends on the shape alone, so a sum has the same bits in every run.
/// </summary>
internal static class ColumnSums
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
}
