using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Marrow.Engine.Cpu;

/// <summary>Measures what the processor can do at most: fp32 multiply-adds held in registers, at the widest vector it has.</summary>
public static unsafe class FmaPeak
{
    private const int Chains = 12;

    /// <summary>GFLOP/s of the calling thread's core (a multiply-add counts as two), the best of short runs within about <paramref name="milliseconds"/>.</summary>
    public static double OneCore(double milliseconds = 20) =>
        Vector512.IsHardwareAccelerated ? Best<Lanes512, Vector512<float>>(milliseconds)
        : Vector256.IsHardwareAccelerated ? Best<Lanes256, Vector256<float>>(milliseconds)
        : Best<Lanes128, Vector128<float>>(milliseconds);

    /// <summary>GFLOP/s of all threads of <paramref name="pool"/> at once: the sum of what each reached.</summary>
    public static double AllCores(WorkerPool pool, double milliseconds = 20)
    {
        double* found = stackalloc double[pool.Threads];
        var body = new EachCore { Found = found, Milliseconds = milliseconds, Start = new Meeting(pool.Threads) };
        pool.For(pool.Threads, ref body);
        double sum = 0;
        for (int i = 0; i < pool.Threads; i++)
            sum += found[i];
        return sum;
    }

    private static double Best<L, V>(double milliseconds)
        where L : struct, ILanes<V>
        where V : struct
    {
        // About half a millisecond a run: long against the timer, short against other programs' time slices.
        int steps = 1000;
        double seconds = Seconds<L, V>(steps);
        for (; seconds < 2e-4 && steps < 1 << 28; seconds = Seconds<L, V>(steps))
            steps *= 2;
        double best = seconds;
        long end = Stopwatch.GetTimestamp() + (long)(milliseconds * 1e-3 * Stopwatch.Frequency);
        while (Stopwatch.GetTimestamp() < end)
            best = Math.Min(best, Seconds<L, V>(steps));
        return 2.0 * Chains * L.Width * steps / best * 1e-9;
    }

    private static double Seconds<L, V>(int steps)
        where L : struct, ILanes<V>
        where V : struct
    {
        float* sink = stackalloc float[L.Width];
        long start = Stopwatch.GetTimestamp();
        Spin<L, V>(steps, sink);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Spin<L, V>(int steps, float* sink)
        where L : struct, ILanes<V>
        where V : struct
    {
        V x = L.Broadcast(0.5f), y = L.Broadcast(1f);
        V c0 = y, c1 = y, c2 = y, c3 = y, c4 = y, c5 = y, c6 = y, c7 = y, c8 = y, c9 = y, cA = y, cB = y;
        do
        {
            c0 = L.MultiplyAdd(c0, x, y);
            c1 = L.MultiplyAdd(c1, x, y);
            c2 = L.MultiplyAdd(c2, x, y);
            c3 = L.MultiplyAdd(c3, x, y);
            c4 = L.MultiplyAdd(c4, x, y);
            c5 = L.MultiplyAdd(c5, x, y);
            c6 = L.MultiplyAdd(c6, x, y);
            c7 = L.MultiplyAdd(c7, x, y);
            c8 = L.MultiplyAdd(c8, x, y);
            c9 = L.MultiplyAdd(c9, x, y);
            cA = L.MultiplyAdd(cA, x, y);
            cB = L.MultiplyAdd(cB, x, y);
        }
        while (--steps != 0);
        c0 = L.MultiplyAdd(L.MultiplyAdd(c0, c1, c2), L.MultiplyAdd(c3, c4, c5), L.MultiplyAdd(c6, c7, c8));
        L.Store(L.MultiplyAdd(L.MultiplyAdd(c0, c9, cA), cB, y), sink);
    }

    private struct EachCore : IParallelBody
    {
        public double* Found;
        public double Milliseconds;
        public Meeting Start;

        public readonly void Run(int index)
        {
            Start.Wait();
            Found[index] = OneCore(Milliseconds);
        }
    }
}
