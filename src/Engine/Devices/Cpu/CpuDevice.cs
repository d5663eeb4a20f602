using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;

namespace Marrow.Engine.Devices.Cpu;

/// <summary>The processor: buffers are native memory aligned to a cache line, ops run on <see cref="Pool"/>.</summary>
public sealed unsafe class CpuDevice : Device
{
    private readonly long _memoryLimit;

    /// <summary>A device that computes on <paramref name="threads"/> threads (0: one for each processor) and takes at most <paramref name="memoryLimit"/> bytes (null: what there is).</summary>
    public CpuDevice(int threads = 0, long? memoryLimit = null)
    {
        Pool = new WorkerPool(threads > 0 ? threads : Environment.ProcessorCount);
        _memoryLimit = memoryLimit ?? long.MaxValue;
    }

    /// <inheritdoc/>
    public override string Name => "cpu";

    /// <inheritdoc/>
    public override string Description => $"CPU, {Pool.Threads} threads, {SimdLevel}";

    /// <summary>The threads that ops run on.</summary>
    public WorkerPool Pool { get; }

    /// <summary>The widest vectors in use: "AVX-512", "AVX2", "128-bit" or "scalar".</summary>
    public static string SimdLevel => Vector512.IsHardwareAccelerated ? "AVX-512"
        : Vector256.IsHardwareAccelerated ? "AVX2"
        : Vector128.IsHardwareAccelerated ? "128-bit" : "scalar";

    /// <inheritdoc/>
    public override void Upload(DeviceBuffer to, long offset, ReadOnlySpan<byte> from) =>
        from.CopyTo(new Span<byte>((byte*)to.Handle + offset, from.Length));

    /// <inheritdoc/>
    public override void Download(DeviceBuffer from, long offset, Span<byte> to) =>
        new ReadOnlySpan<byte>((byte*)from.Handle + offset, to.Length).CopyTo(to);

    /// <inheritdoc/>
    public override void Copy(DeviceBuffer from, long fromOffset, DeviceBuffer to, long toOffset, long bytes) =>
        Buffer.MemoryCopy((byte*)from.Handle + fromOffset, (byte*)to.Handle + toOffset, bytes, bytes);

    /// <inheritdoc/>
    public override void Clear(DeviceBuffer buffer, long offset, long bytes) =>
        NativeMemory.Clear((byte*)buffer.Handle + offset, (nuint)bytes);

    /// <inheritdoc/>
    protected override nint Reserve(long bytes)
    {
        if (bytes > _memoryLimit - ReservedBytes)
            return 0;
        try
        {
            return (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);
        }
        catch (OutOfMemoryException)
        {
            return 0;
        }
    }

    private protected override string MemoryLimits => _memoryLimit == long.MaxValue ? "" : $" of {Amount(_memoryLimit)} that may be taken";

    /// <inheritdoc/>
    protected override void Release(nint handle, long bytes) => NativeMemory.AlignedFree((void*)handle);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        Pool.Dispose();
        base.Dispose(disposing);
    }
}
