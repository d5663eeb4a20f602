namespace Marrow.Engine.Devices.OpenCl;

/// <summary>
/// A ring in memory that the device can read by itself: small uploads are copied there and queued, so that the host does not wait. It has two halves; one is
/// used again when the device has passed the mark that was queued behind its last write.
/// </summary>
internal sealed unsafe class OpenClStaging : IDisposable
{
    /// <summary>The most bytes of one write: a half.</summary>
    public const int HalfBytes = 2 << 20;

    private readonly OpenClContext _context;
    private readonly nint _memory;
    private readonly byte* _start;
    private readonly nint[] _marks = new nint[2];
    private int _half;
    private int _used;

    /// <summary>Makes and maps the ring.</summary>
    public OpenClStaging(OpenClContext context)
    {
        _context = context;
        int status;
        _memory = context.Api.CreateBuffer(context.Context, OpenClQuery.MemReadWrite | OpenClQuery.MemAllocHostPtr, 2 * HalfBytes, null, &status);
        context.Queued(status, "making the upload buffer");
        _start = (byte*)context.Api.EnqueueMapBuffer(context.Queue, _memory, 1, OpenClQuery.MapWrite, 0, 2 * HalfBytes, 0, null, null, &status);
        if (status != 0)
            context.Api.ReleaseMemObject(_memory);
        context.Queued(status, "mapping the upload buffer");
    }

    /// <summary>Queues a write of at most <see cref="HalfBytes"/> bytes. True when the host had to wait for the ring.</summary>
    public bool Write(nint to, long offset, ReadOnlySpan<byte> from)
    {
        bool waited = false;
        if (_used + from.Length > HalfBytes)
        {
            nint mark;
            _context.Queued(_context.Api.EnqueueMarkerWithWaitList(_context.Queue, 0, null, &mark), "marking uploads");
            _marks[_half] = mark;
            (_half, _used) = (1 - _half, 0);
            waited = Await(_half);
        }
        byte* place = _start + _half * HalfBytes + _used;
        from.CopyTo(new Span<byte>(place, from.Length));
        _context.Queued(_context.Api.EnqueueWriteBuffer(_context.Queue, to, 0, (nuint)offset, (nuint)from.Length, place, 0, null, null), "uploading");
        _used += (from.Length + 63) & ~63;
        return waited;
    }

    public void Dispose()
    {
        foreach (nint mark in _marks)
        {
            if (mark != 0)
                _context.Api.ReleaseEvent(mark);
        }
        _context.Api.EnqueueUnmapMemObject(_context.Queue, _memory, _start, 0, null, null);
        _context.Api.ReleaseMemObject(_memory);
    }

    private bool Await(int half)
    {
        nint mark = _marks[half];
        if (mark == 0)
            return false;
        _marks[half] = 0;
        int state = 1;
        bool passed = _context.Api.GetEventInfo(mark, OpenClQuery.EventStatus, sizeof(int), &state, null) == 0 && state == 0;
        int status = 0;
        if (!passed)
        {
            _context.Api.Flush(_context.Queue);
            status = _context.Api.WaitForEvents(1, &mark);
        }
        _context.Api.ReleaseEvent(mark);
        _context.Waited(status, "waiting for uploads");
        return !passed;
    }
}
