using Marrow.Formats;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>A device's primary context with the one stream that all work goes through, and what the driver's statuses mean.</summary>
internal sealed unsafe class CudaContext : IDisposable
{
    private const uint NonBlocking = 1;
    private const int InvalidValue = 1, NotFound = 500, LaunchOutOfResources = 701, NotSupported = 801;
    private readonly int _device;
    private readonly string _name;
    private readonly Func<string, MarrowException> _outOfMemory;
    private readonly nint _context;

    /// <summary>Takes the primary context of <paramref name="found"/> and makes a stream in it.</summary>
    /// <exception cref="MarrowException">DV012 the driver gives neither.</exception>
    public CudaContext(CudaFound found, string name, Func<string, MarrowException> outOfMemory)
    {
        (Driver, _device, _name, _outOfMemory) = (found.Driver, found.Device, name, outOfMemory);
        nint context, stream = 0;
        int status = Driver.PrimaryContextRetain(&context, _device);
        if (status != CudaDriver.Success)
            throw DeviceFaults.NotOpened(name, "taking its primary context", Driver.NameOf(status));
        _context = context;
        status = Driver.ContextSetCurrent(context);
        if (status == CudaDriver.Success)
            status = Driver.StreamCreate(&stream, NonBlocking);
        Stream = stream;
        if (status == CudaDriver.Success)
            return;
        Driver.PrimaryContextRelease(_device);
        throw DeviceFaults.NotOpened(name, "making a stream", Driver.NameOf(status));
    }

    /// <summary>The driver.</summary>
    public CudaDriver Driver { get; }

    /// <summary>The stream.</summary>
    public nint Stream { get; }

    /// <summary>Makes the context the calling thread's: whoever drives a device may do so from changing threads.</summary>
    public void Enter() => Check(Driver.ContextSetCurrent(_context), "entering its context");

    /// <summary>As <see cref="Enter"/>, for closing a device that may have failed.</summary>
    public bool TryEnter() => Driver.ContextSetCurrent(_context) == CudaDriver.Success;

    /// <summary>Waits for the stream.</summary>
    public void Synchronize(string doing) => Check(Driver.StreamSynchronize(Stream), doing);

    /// <summary>Throws what a status means; <paramref name="doing"/> and <paramref name="what"/> are put together only then.</summary>
    /// <exception cref="MarrowException">E901 no memory; DV013 the driver refuses the call; DV010 anything else.</exception>
    public void Check(int status, string doing, string what = "")
    {
        if (status != CudaDriver.Success)
            throw Fault(status, doing + what);
    }

    public void Dispose()
    {
        Driver.ContextSetCurrent(_context);
        Driver.StreamDestroy(Stream);
        Driver.ContextSetCurrent(0);
        Driver.PrimaryContextRelease(_device);
    }

    private MarrowException Fault(int status, string doing) => status switch
    {
        CudaDriver.OutOfMemory => _outOfMemory($"{doing} needs more ({Driver.NameOf(status)})"),
        InvalidValue or NotFound or LaunchOutOfResources or NotSupported => DeviceFaults.Refused(_name, doing, Driver.NameOf(status)),
        _ => DeviceFaults.Lost(_name, doing, Driver.NameOf(status)),
    };
}
