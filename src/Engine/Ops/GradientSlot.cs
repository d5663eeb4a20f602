using Marrow.Engine.Cpu;

namespace Marrow.Engine;

/// <summary>Where a body on the processor leaves a gradient, which is written or added to; nowhere when it is not needed.</summary>
internal unsafe struct GradientSlot
{
    public float* To;
    public bool Adds;

    public readonly void Put(long at, float* from, int n)
    {
        if (To is null)
            return;
        if (Adds)
            Simd.Add(To + at, from, n);
        else
            new ReadOnlySpan<float>(from, n).CopyTo(new Span<float>(To + at, n));
    }

    /// <summary>Puts the sum of <paramref name="count"/> parts of <paramref name="size"/> values that lie <paramref name="stride"/> apart, added in order; the first part is overwritten.</summary>
    public readonly void PutSum(WorkerPool pool, float* parts, long stride, int count, long size)
    {
        if (To is null)
            return;
        var body = new SumBody { Parts = parts, Stride = stride, Count = count, To = this, Size = size };
        pool.For((int)((size + SumBody.Piece - 1) / SumBody.Piece), ref body);
    }

    private struct SumBody : IParallelBody
    {
        public const int Piece = 4096;

        public float* Parts;
        public long Stride, Size;
        public int Count;
        public GradientSlot To;

        public readonly void Run(int index)
        {
            long at = (long)index * Piece;
            int n = (int)Math.Min(Piece, Size - at);
            for (int part = 1; part < Count; part++)
                Simd.Add(Parts + at, Parts + part * Stride + at, n);
            To.Put(at, Parts + at, n);
        }
    }
}
