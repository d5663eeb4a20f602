using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Marrow.Engine.Cpu;

/// <summary>
/// A fixed set of threads for short parallel loops. The calling thread takes part. Starting a loop allocates nothing on the managed
/// heap. A loop started inside a loop, or while another thread's loop runs, runs inline on its caller.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    // One word says everything a worker must know to join: job number, whether it is still open, how many are inside.
    private const ulong JobUnit = 1UL << 32, OpenBit = 1UL << 31, ActiveMask = OpenBit - 1;

    private readonly Thread[] _threads;
    private readonly object _gate = new();
    private readonly long _spinTicks = Stopwatch.Frequency / 25_000; // 40 microseconds
    private Line _state, _next, _busy;
    private int _parked;
    private bool _stopping;

    private int _count;
    private void* _body;
    private delegate*<WorkerPool, void> _work;
    private Exception? _error;

    /// <summary>Starts the threads. <paramref name="threads"/> counts the caller too; 0 means one per processor.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="threads"/> is negative or above 1024.</exception>
    public WorkerPool(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 1024);
        Threads = threads == 0 ? Environment.ProcessorCount : threads;
        Scratch = new ScratchSet(2 * Threads + 2);
        _threads = new Thread[Threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Serve) { IsBackground = true, Name = $"marrow-cpu-{i + 1}" };
            _threads[i].Start();
        }
    }

    /// <summary>How many threads share a loop, the caller counted.</summary>
    public int Threads { get; }

    /// <summary>Native work memory for the bodies of loops.</summary>
    public ScratchSet Scratch { get; }

    /// <summary>
    /// Runs <paramref name="body"/> for every index below <paramref name="count"/> and returns when all are done; the body is
    /// shared by all threads. The first exception stops the handing out of indices and is thrown here.
    /// </summary>
    public void For<TBody>(int count, ref TBody body) where TBody : struct, IParallelBody
    {
        if (count <= 0)
            return;
        if (count == 1 || _threads.Length == 0 || Interlocked.CompareExchange(ref _busy.Word, 1, 0) != 0)
        {
            for (int i = 0; i < count; i++)
                body.Run(i);
            return;
        }
        // A copy in this frame: the collector never moves it, wherever the caller's struct lives.
        TBody shared = body;
        _body = Unsafe.AsPointer(ref shared);
        _count = count;
        _work = &Work<TBody>;
        _next.Word = 0;
        ulong state = (_state.Word & ~(JobUnit - 1)) + JobUnit;
        Interlocked.Exchange(ref _state.Word, state | OpenBit);
        if (Volatile.Read(ref _parked) != 0)
        {
            lock (_gate)
                Monitor.PulseAll(_gate);
        }
        Guarded(_work);
        Interlocked.And(ref _state.Word, ~OpenBit);
        Drain();
        body = shared;
        Exception? error = _error;
        _error = null;
        Volatile.Write(ref _busy.Word, 0);
        if (error != null)
            ExceptionDispatchInfo.Throw(error);
    }

    /// <summary>Cuts the indices below <paramref name="count"/> into runs of <paramref name="grain"/> (the last may be shorter) and shares those out.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="grain"/> is below 1.</exception>
    public void ForRange<TBody>(int count, int grain, ref TBody body) where TBody : struct, IParallelRange
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grain, 1);
        if (count <= 0)
            return;
        var ranges = new Ranges<TBody> { Body = body, Count = count, Grain = grain };
        For((count - 1) / grain + 1, ref ranges);
        body = ranges.Body;
    }

    /// <summary>Ends the threads and frees the work memory. No loop may be running.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _stopping = true;
            Monitor.PulseAll(_gate);
        }
        foreach (Thread thread in _threads)
            thread.Join();
        Scratch.Dispose();
    }

    private static void Work<TBody>(WorkerPool pool) where TBody : struct, IParallelBody
    {
        ref TBody body = ref Unsafe.AsRef<TBody>(pool._body);
        int count = pool._count;
        for (ulong i; (i = Interlocked.Increment(ref pool._next.Word) - 1) < (ulong)count;)
            body.Run((int)i);
    }

    private void Guarded(delegate*<WorkerPool, void> work)
    {
        try
        {
            work(this);
        }
#pragma warning disable CA1031 // The exception is not swallowed: the thread that started the loop throws it.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _error, error, null);
            Volatile.Write(ref _next.Word, int.MaxValue);
        }
    }

    /// <summary>Waits for the workers that joined; those that never woke are not waited for.</summary>
    private void Drain()
    {
        long limit = 0;
        while ((Volatile.Read(ref _state.Word) & ActiveMask) != 0)
        {
            Thread.SpinWait(4);
            if (limit == 0)
                limit = Stopwatch.GetTimestamp() + _spinTicks;
            else if (Stopwatch.GetTimestamp() > limit)
                Thread.Yield(); // the worker may be waiting for this very core
        }
    }

    private void Serve()
    {
        ulong last = 0;
        while (Await(ref last))
        {
            Guarded(_work);
            Interlocked.Decrement(ref _state.Word);
        }
    }

    /// <summary>Spins, then parks, until an open job that this worker has not seen lets it join; false when the pool ends.</summary>
    private bool Await(ref ulong last)
    {
        long limit = Stopwatch.GetTimestamp() + _spinTicks;
        while (!Volatile.Read(ref _stopping))
        {
            ulong state = Volatile.Read(ref _state.Word);
            if (IsNew(state, last))
            {
                if (Interlocked.CompareExchange(ref _state.Word, state + 1, state) != state)
                    continue;
                last = state / JobUnit;
                return true;
            }
            if (Stopwatch.GetTimestamp() < limit)
            {
                Thread.SpinWait(4);
                continue;
            }
            lock (_gate)
            {
                // Counted before the last look at the state, as the caller looks at the count after it has set the state.
                Interlocked.Increment(ref _parked);
                while (!_stopping && !IsNew(Volatile.Read(ref _state.Word), last))
                    Monitor.Wait(_gate);
                Interlocked.Decrement(ref _parked);
            }
            limit = Stopwatch.GetTimestamp() + _spinTicks;
        }
        return false;
    }

    private static bool IsNew(ulong state, ulong last) => (state & OpenBit) != 0 && state / JobUnit != last;

    private struct Ranges<TBody> : IParallelBody where TBody : struct, IParallelRange
    {
        public TBody Body;
        public int Count, Grain;

        public void Run(int index)
        {
            int start = index * Grain;
            Body.Run(start, Count - start < Grain ? Count : start + Grain);
        }
    }

    /// <summary>A word alone on its cache lines, so that spinning on one does not slow the others.</summary>
    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Explicit, Size = 256)]
    private struct Line
    {
        [System.Runtime.InteropServices.FieldOffset(128)] public ulong Word;
    }
}
