using Marrow.Engine.Jit;
using Marrow.Formats;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>An NVIDIA device behind its driver: buffers are device addresses, work goes through one stream, kernels are compiled by NVRTC.</summary>
public sealed unsafe class CudaDevice : KernelDevice
{
    private readonly CudaContext _context;
    private readonly CudaDriver _driver;
    private readonly CudaCompiler _compiler;
    private readonly HashSet<nint> _reserved = [];
    private readonly KernelDump? _dump;
    private readonly DeviceOptions _options;
    private readonly long _memoryLimit;
    private CudaStaging? _staging;
    private CublasLt? _blas;
    private bool _lookedForBlas;
    private bool _disposed;

    private CudaDevice(CudaFound found, Nvrtc nvrtc, string name, DeviceOptions options)
    {
        (Name, Description, Capabilities, _driver, _options, Notice, TuningFile) = (name, found.Description, found.Capabilities, found.Driver, options, options.Notice, options.Tuning);
        _dump = options.DumpKernels is { } folder ? new KernelDump(folder, "cu") : null;
        _memoryLimit = Math.Min(options.MemoryLimit ?? long.MaxValue, Capabilities.MemoryBytes);
        Dialect = new Dialect(DialectLanguage.Cuda, true, Capabilities.MatrixUnits);
        _context = new CudaContext(found, name, OutOfMemory);
        _compiler = new CudaCompiler(_context, found, nvrtc, name, options);
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override string Description { get; }

    /// <inheritdoc/>
    public override DeviceCapabilities Capabilities { get; }

    /// <inheritdoc/>
    internal override Dialect Dialect { get; }

    /// <summary>NVIDIA's matrix products; null, with a notice, where the library is not there. Loaded when it is first asked for.</summary>
    internal CublasLt? Blas
    {
        get
        {
            if (_lookedForBlas)
                return _blas;
            _lookedForBlas = true;
            _context.Enter();
            _blas = CublasLt.Find(_context, Name, _options.LibraryFolders, out string whyNot);
            if (_blas is null)
                Notice?.Invoke($"{Name}: {whyNot}; matrix products run on Marrow's own kernels");
            return _blas;
        }
    }

    private protected override string MemoryLimits => $" of {Amount(_memoryLimit)}";

    /// <summary>Opens a device that was found.</summary>
    /// <exception cref="MarrowException">DV012 the driver gives no context.</exception>
    internal static CudaDevice Open(CudaFound found, Nvrtc nvrtc, string name, DeviceOptions options) => new(found, nvrtc, name, options);

    /// <inheritdoc/>
    public override void Upload(DeviceBuffer to, long offset, ReadOnlySpan<byte> from)
    {
        if (from.IsEmpty)
            return;
        _context.Enter();
        _staging ??= new CudaStaging(_context);
        Waits += _staging.Write(to.Handle + (nint)offset, from);
    }

    /// <inheritdoc/>
    public override void Download(DeviceBuffer from, long offset, Span<byte> to)
    {
        if (to.IsEmpty)
            return;
        Waits++;
        _context.Enter();
        fixed (byte* p = to)
        {
            _context.Check(_driver.CopyToHost(p, from.Handle + (nint)offset, (nuint)to.Length, _context.Stream), "downloading");
            _context.Synchronize("downloading");
        }
    }

    /// <inheritdoc/>
    public override void Copy(DeviceBuffer from, long fromOffset, DeviceBuffer to, long toOffset, long bytes)
    {
        if (bytes == 0 || (from == to && fromOffset == toOffset))
            return;
        _context.Enter();
        _context.Check(_driver.CopyOnDevice(to.Handle + (nint)toOffset, from.Handle + (nint)fromOffset, (nuint)bytes, _context.Stream), "copying");
    }

    /// <inheritdoc/>
    public override void Clear(DeviceBuffer buffer, long offset, long bytes)
    {
        if (bytes == 0)
            return;
        _context.Enter();
        _context.Check(_driver.SetBytes(buffer.Handle + (nint)offset, 0, (nuint)bytes, _context.Stream), "clearing");
    }

    /// <inheritdoc/>
    public override void Synchronize()
    {
        Waits++;
        _context.Enter();
        _context.Synchronize("waiting for the stream");
    }

    /// <inheritdoc/>
    protected override nint Reserve(long bytes)
    {
        if (bytes > _memoryLimit - ReservedBytes)
            return 0;
        _context.Enter();
        nint memory;
        int status = _driver.MemAlloc(&memory, (nuint)bytes);
        if (status == CudaDriver.OutOfMemory)
            return 0;
        _context.Check(status, "taking memory");
        _reserved.Add(memory);
        return memory;
    }

    /// <inheritdoc/>
    protected override void Release(nint handle, long bytes)
    {
        // Queued work may still use it. What a failed device answers is no news: the call that found it failed has thrown.
        _context.TryEnter();
        _driver.StreamSynchronize(_context.Stream);
        _reserved.Remove(handle);
        _driver.MemFree(handle);
    }

    /// <inheritdoc/>
    private protected override object Build(KernelText text)
    {
        _dump?.Write(text);
        if (text.Lanes > Capabilities.MaxLanes)
            throw DeviceFaults.TooManyLanes(Name, text, Capabilities.MaxLanes);
        _context.Enter();
        nint module = _compiler.Module(text, out bool loaded);
        if (loaded)
            Loaded++;
        else
            Compiled++;
        return new CudaKernel(_context, module, text);
    }

    /// <inheritdoc/>
    private protected override void Enqueue(Variant variant, Grid grid, ReadOnlySpan<Arg> args)
    {
        _context.Enter();
        ((CudaKernel)variant.Handle).Enqueue(this, grid, args);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_disposed)
            return;
        _disposed = true;
        _context.TryEnter();
        _driver.StreamSynchronize(_context.Stream);
        foreach (object kernel in Built)
            ((CudaKernel)kernel).Release();
        _blas?.Dispose();
        _staging?.Dispose();
        foreach (nint memory in _reserved)
            _driver.MemFree(memory);
        _reserved.Clear();
        _context.Dispose();
        base.Dispose(disposing);
    }
}
