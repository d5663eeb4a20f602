namespace Marrow.Engine.Cpu;

/// <summary>Lets a number of threads start a measurement together, so that each index of a loop gets a thread of its own.</summary>
internal sealed class Meeting(int threads)
{
    private int _missing = threads;

    /// <summary>Waits for the other threads, at most for a fifth of a second: a loop that runs inline has no others.</summary>
    public void Wait()
    {
        Interlocked.Decrement(ref _missing);
        long end = Environment.TickCount64 + 200;
        while (Volatile.Read(ref _missing) > 0 && Environment.TickCount64 < end)
            Thread.Yield();
    }
}
