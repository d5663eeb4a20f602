using Marrow.Engine.Jit;
using Marrow.Formats;

namespace Marrow.Engine.Devices.OpenCl;

/// <summary>A device behind an OpenCL 1.2 driver: buffers are memory objects, work goes through one in-order queue.</summary>
public sealed unsafe class OpenClDevice : KernelDevice
{
    private const int MostStaged = 1 << 20;
    private const int LaunchesToFlush = 32;
    private readonly OpenClContext _context;
    private readonly OpenClApi _api;
    private readonly HashSet<nint> _reserved = [];
    private readonly KernelCache? _cache;
    private readonly KernelDump? _dump;
    private readonly long _memoryLimit;
    private OpenClStaging? _staging;
    private int _unflushed;
    private bool _toldRefusal;
    private bool _disposed;

    private OpenClDevice(OpenClFound found, string name, string description, DeviceOptions options)
    {
        (Name, Description, _api, Identity, Notice, TuningFile) = (name, description, found.Api, found.Identity, options.Notice, options.Tuning);
        _cache = KernelCache.For(options);
        _dump = options.DumpKernels is { } folder ? new KernelDump(folder, "cl") : null;
        _context = new OpenClContext(found, name, OutOfMemory);
        try
        {
            OpenClAbilities abilities = OpenClAbilities.Of(_context, found, name);
            Capabilities = found.Told with { Subgroups = abilities.Subgroups, MatrixUnits = abilities.MatrixUnits, Fp64 = abilities.Fp64, Fp16 = abilities.Fp16 };
            BuildOptions = $"{abilities.Standard} {options.BuildOptions}".TrimEnd();
        }
        catch
        {
            _context.Dispose();
            throw;
        }
        _memoryLimit = Math.Min(options.MemoryLimit ?? long.MaxValue, Capabilities.MemoryBytes);
        Dialect = new Dialect(DialectLanguage.OpenCl, Capabilities.Subgroups, Capabilities.MatrixUnits);
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override string Description { get; }

    /// <inheritdoc/>
    public override DeviceCapabilities Capabilities { get; }

    /// <inheritdoc/>
    internal override Dialect Dialect { get; }

    /// <summary>The options that kernels are built with.</summary>
    internal string BuildOptions { get; }

    /// <summary>Device and driver with their versions, for cache keys.</summary>
    internal string Identity { get; }

    private protected override string MemoryLimits => $" of {Amount(_memoryLimit)}, and one buffer may have {Amount(Capabilities.MaxBufferBytes)} at most";

    /// <summary>Opens a device that was found.</summary>
    /// <exception cref="MarrowException">DV011 its driver builds nothing; DV012 it gives no context or queue.</exception>
    internal static OpenClDevice Open(OpenClFound found, string name, string description, DeviceOptions options) => new(found, name, description, options);

    /// <inheritdoc/>
    public override void Upload(DeviceBuffer to, long offset, ReadOnlySpan<byte> from)
    {
        if (from.IsEmpty)
            return;
        if (from.Length <= MostStaged)
        {
            _staging ??= new OpenClStaging(_context);
            if (_staging.Write(to.Handle, offset, from))
                Waits++;
            return;
        }
        Waits++;
        fixed (byte* p = from)
            _context.Queued(_api.EnqueueWriteBuffer(_context.Queue, to.Handle, 1, (nuint)offset, (nuint)from.Length, p, 0, null, null), "uploading");
    }

    /// <inheritdoc/>
    public override void Download(DeviceBuffer from, long offset, Span<byte> to)
    {
        if (to.IsEmpty)
            return;
        Waits++;
        _unflushed = 0;
        fixed (byte* p = to)
            _context.Waited(_api.EnqueueReadBuffer(_context.Queue, from.Handle, 1, (nuint)offset, (nuint)to.Length, p, 0, null, null), "downloading");
    }

    /// <inheritdoc/>
    public override void Copy(DeviceBuffer from, long fromOffset, DeviceBuffer to, long toOffset, long bytes)
    {
        if (bytes == 0 || (from == to && fromOffset == toOffset))
            return;
        _context.Queued(_api.EnqueueCopyBuffer(_context.Queue, from.Handle, to.Handle, (nuint)fromOffset, (nuint)toOffset, (nuint)bytes, 0, null, null), "copying");
    }

    /// <inheritdoc/>
    public override void Clear(DeviceBuffer buffer, long offset, long bytes)
    {
        if (bytes > 0)
            _context.Queued(Fill(buffer.Handle, offset, bytes), "clearing");
    }

    /// <inheritdoc/>
    public override void Synchronize()
    {
        Waits++;
        _unflushed = 0;
        _context.Waited(_api.Finish(_context.Queue), "waiting for the queue");
    }

    /// <inheritdoc/>
    protected override nint Reserve(long bytes)
    {
        if (bytes > Capabilities.MaxBufferBytes || bytes > _memoryLimit - ReservedBytes)
            return 0;
        int status;
        nint memory = _api.CreateBuffer(_context.Context, OpenClQuery.MemReadWrite, (nuint)bytes, null, &status);
        if (status == 0)
        {
            // Some drivers take memory only at its first use: use it now, where want of it can still be answered by trimming.
            status = Fill(memory, 0, 64);
            if (status == 0)
            {
                _reserved.Add(memory);
                return memory;
            }
            _api.ReleaseMemObject(memory);
        }
        if (!OpenClContext.IsMemory(status) && status != OpenClStatus.InvalidBufferSize)
            _context.Queued(status, "taking memory");
        return 0;
    }

    /// <inheritdoc/>
    protected override void Release(nint handle, long bytes)
    {
        _reserved.Remove(handle);
        _context.Queued(_api.ReleaseMemObject(handle), "giving memory back");
    }

    /// <inheritdoc/>
    private protected override object Build(KernelText text)
    {
        _dump?.Write(text);
        nint program = FromCache(text);
        if (program == 0)
            program = Compile(text);
        try
        {
            return new OpenClKernel(_context, program, text);
        }
        finally
        {
            _api.ReleaseProgram(program);
        }
    }

    /// <inheritdoc/>
    private protected override void Enqueue(Variant variant, Grid grid, ReadOnlySpan<Arg> args)
    {
        ((OpenClKernel)variant.Handle).Enqueue(this, grid, args);
        if (++_unflushed < LaunchesToFlush)
            return;
        _unflushed = 0;
        _context.Queued(_api.Flush(_context.Queue), "starting queued work");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_disposed)
            return;
        _disposed = true;
        _api.Finish(_context.Queue);
        foreach (object kernel in Built)
            ((OpenClKernel)kernel).Release();
        _staging?.Dispose();
        foreach (nint memory in _reserved)
            _api.ReleaseMemObject(memory);
        _reserved.Clear();
        _context.Dispose();
        base.Dispose(disposing);
    }

    private nint FromCache(KernelText text)
    {
        if (_cache?.Find(text.Source, BuildOptions, Identity) is not { } binary)
            return 0;
        nint program = _context.Load(binary, BuildOptions);
        if (program != 0)
        {
            Loaded++;
            return program;
        }
        _cache.Remove(text.Source, BuildOptions, Identity);
        if (!_toldRefusal)
            Notice?.Invoke($"{Name}: the driver refuses kernels that it compiled earlier; they are compiled again");
        _toldRefusal = true;
        return 0;
    }

    private nint Compile(KernelText text)
    {
        nint program = _context.Build(text.Source, BuildOptions, out int status, out string log);
        if (program == 0)
            throw DeviceFaults.NotBuilt(Name, text.Entry, BuildOptions, OpenClStatus.Name(status), log);
        Compiled++;
        if (_cache is not null && _context.BinaryOf(program) is { Length: > 0 } binary)
            _cache.Store(text.Source, BuildOptions, Identity, binary);
        return program;
    }

    // Wide patterns are faster; places and sizes must be multiples of the pattern's.
    private int Fill(nint memory, long offset, long bytes)
    {
        ulong zero = 0;
        int width = ((offset | bytes) & 7) == 0 ? 8 : ((offset | bytes) & 3) == 0 ? 4 : 1;
        return _api.EnqueueFillBuffer(_context.Queue, memory, &zero, (nuint)width, (nuint)offset, (nuint)bytes, 0, null, null);
    }
}
