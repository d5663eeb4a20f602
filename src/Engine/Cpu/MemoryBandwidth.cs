using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Numerics;

namespace Marrow.Engine.Cpu;

/// <summary>Measures the bandwidth of main memory with the loops of McCalpin's STREAM, counting the bytes that the loop names.</summary>
public static unsafe class MemoryBandwidth
{
    private const int Repeats = 5;

    /// <summary>GB/s of copying (a = b) and of the triad (a = b + s·c) on all threads of <paramref name="pool"/>; each array takes <paramref name="megabytes"/> MiB, which should be several times the last-level cache.</summary>
    public static (double Copy, double Triad) Measure(WorkerPool pool, int megabytes = 64)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(megabytes, 1);
        nuint count = (nuint)megabytes * (1 << 18);
        float* memory = (float*)NativeMemory.AlignedAlloc(3 * count * sizeof(float), 4096);
        try
        {
            var loop = new Loop { A = memory, B = memory + count, C = memory + 2 * count };
            new Span<float>(loop.A, (int)count).Clear();
            new Span<float>(loop.B, (int)count).Fill(1);
            new Span<float>(loop.C, (int)count).Fill(2);
            double copy = Best(pool, ref loop, (int)count);
            loop.Triad = true;
            double triad = Best(pool, ref loop, (int)count);
            double bytes = count * sizeof(float);
            return (2 * bytes / copy * 1e-9, 3 * bytes / triad * 1e-9);
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static double Best(WorkerPool pool, ref Loop loop, int count)
    {
        double best = double.MaxValue;
        for (int i = 0; i < Repeats; i++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.ForRange(count, 1 << 16, ref loop);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    private struct Loop : IParallelRange
    {
        public float* A, B, C;
        public bool Triad;

        public readonly void Run(int start, int end)
        {
            Vector<float> s = new(3);
            int step = Vector<float>.Count;
            if (Triad)
            {
                for (int i = start; i < end; i += step)
                    Vector.Store(Vector.Load(B + i) + s * Vector.Load(C + i), A + i);
            }
            else
            {
                for (int i = start; i < end; i += step)
                    Vector.Store(Vector.Load(B + i), A + i);
            }
        }
    }
}
