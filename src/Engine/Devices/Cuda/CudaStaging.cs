namespace Marrow.Engine.Devices.Cuda;

/// <summary>
/// A ring in pinned memory: uploads are copied there piece by piece and queued, so that the host waits for the device only when it is a ring's half ahead.
/// A half is used again when the device has passed the event behind its last copy.
/// </summary>
internal sealed unsafe class CudaStaging : IDisposable
{
    private const int HalfBytes = 4 << 20, Align = 256;
    private const uint DisableTiming = 2;
    private readonly CudaContext _context;
    private readonly byte* _start;
    private readonly nint[] _events = new nint[2];
    private readonly bool[] _pending = new bool[2];
    private int _half;
    private int _used;

    /// <summary>Takes the ring's memory.</summary>
    public CudaStaging(CudaContext context)
    {
        _context = context;
        void* start;
        context.Check(context.Driver.MemAllocHost(&start, 2 * HalfBytes), "taking pinned memory for uploads");
        _start = (byte*)start;
        for (int i = 0; i < _events.Length; i++)
        {
            nint made;
            context.Check(context.Driver.EventCreate(&made, DisableTiming), "making an event");
            _events[i] = made;
        }
    }

    /// <summary>Queues a copy of <paramref name="from"/>, which can be changed when this returns. Gives how often the host had to wait for the ring.</summary>
    public int Write(nint to, ReadOnlySpan<byte> from)
    {
        int waits = 0;
        while (!from.IsEmpty)
        {
            if (_used == HalfBytes)
                waits += Turn();
            int bytes = Math.Min(from.Length, HalfBytes - _used);
            byte* place = _start + _half * HalfBytes + _used;
            from[..bytes].CopyTo(new Span<byte>(place, bytes));
            _context.Check(_context.Driver.CopyToDevice(to, place, (nuint)bytes, _context.Stream), "uploading");
            _used = Math.Min(HalfBytes, (_used + bytes + Align - 1) & -Align);
            to += bytes;
            from = from[bytes..];
        }
        return waits;
    }

    public void Dispose()
    {
        foreach (nint made in _events)
            _context.Driver.EventDestroy(made);
        _context.Driver.MemFreeHost(_start);
    }

    private int Turn()
    {
        _context.Check(_context.Driver.EventRecord(_events[_half], _context.Stream), "marking uploads");
        _pending[_half] = true;
        (_half, _used) = (1 - _half, 0);
        if (!_pending[_half])
            return 0;
        _pending[_half] = false;
        if (_context.Driver.EventQuery(_events[_half]) == CudaDriver.Success)
            return 0;
        _context.Check(_context.Driver.EventSynchronize(_events[_half]), "waiting for uploads");
        return 1;
    }
}
