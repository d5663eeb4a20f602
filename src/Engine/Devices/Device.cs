using System.Globalization;
using Marrow.Formats;

namespace Marrow.Engine.Devices;

/// <summary>
/// A machine that holds buffers and computes on them. Freed buffers are kept by size and reused, so that steady-state training
/// asks the operating system for nothing. Buffers are not thread-safe: one training or generation loop drives a device.
/// </summary>
public abstract class Device : IDisposable
{
    private readonly Dictionary<long, Stack<DeviceBuffer>> _free = [];

    /// <summary>Short name for options and messages: "cpu", "opencl:0".</summary>
    public abstract string Name { get; }

    /// <summary>What a person calls it.</summary>
    public abstract string Description { get; }

    /// <summary>Bytes that tensors hold now.</summary>
    public long LiveBytes { get; private set; }

    /// <summary>The largest <see cref="LiveBytes"/> so far.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>Bytes taken from the system, held by tensors or kept for reuse.</summary>
    public long ReservedBytes { get; private set; }

    /// <summary>Starts a new measurement of <see cref="PeakBytes"/>.</summary>
    public void ResetPeak() => PeakBytes = LiveBytes;

    /// <summary>A buffer of at least <paramref name="bytes"/> bytes, contents undefined.</summary>
    /// <exception cref="MarrowException">The device has no memory left; names what was asked and what is held.</exception>
    public DeviceBuffer Allocate(long bytes)
    {
        long size = RoundUp(Math.Max(bytes, 64));
        DeviceBuffer buffer;
        if (_free.TryGetValue(size, out Stack<DeviceBuffer>? stack) && stack.Count > 0)
        {
            buffer = stack.Pop();
        }
        else
        {
            nint handle = Reserve(size);
            if (handle == 0)
            {
                Trim();
                handle = Reserve(size);
            }
            if (handle == 0)
                throw OutOfMemory($"{Amount(size)} were asked for");
            buffer = new DeviceBuffer(this, handle, size);
            ReservedBytes += size;
        }
        LiveBytes += size;
        PeakBytes = Math.Max(PeakBytes, LiveBytes);
        return buffer;
    }

    /// <summary>Gives a buffer back for reuse.</summary>
    public void Free(DeviceBuffer buffer)
    {
        LiveBytes -= buffer.Bytes;
        if (!_free.TryGetValue(buffer.Bytes, out Stack<DeviceBuffer>? stack))
            _free[buffer.Bytes] = stack = new Stack<DeviceBuffer>();
        stack.Push(buffer);
    }

    /// <summary>Returns kept buffers to the system.</summary>
    public void Trim()
    {
        foreach (Stack<DeviceBuffer> stack in _free.Values)
        {
            while (stack.TryPop(out DeviceBuffer? buffer))
            {
                ReservedBytes -= buffer.Bytes;
                Release(buffer.Handle, buffer.Bytes);
            }
        }
    }

    /// <summary>Copies host bytes into a buffer.</summary>
    public abstract void Upload(DeviceBuffer to, long offset, ReadOnlySpan<byte> from);

    /// <summary>Copies a buffer's bytes to the host, waiting for the work that makes them.</summary>
    public abstract void Download(DeviceBuffer from, long offset, Span<byte> to);

    /// <summary>Copies bytes between buffers of this device.</summary>
    public abstract void Copy(DeviceBuffer from, long fromOffset, DeviceBuffer to, long toOffset, long bytes);

    /// <summary>Sets bytes to zero.</summary>
    public abstract void Clear(DeviceBuffer buffer, long offset, long bytes);

    /// <summary>Takes memory from the system; 0 when there is none.</summary>
    protected abstract nint Reserve(long bytes);

    /// <summary>Returns memory to the system.</summary>
    protected abstract void Release(nint handle, long bytes);

    /// <summary>What a message about memory should say of the device's limits: " of 8192 MiB, at most 2048 MiB in one buffer"; empty where nothing is known.</summary>
    private protected virtual string MemoryLimits => "";

    /// <summary>Error E901; <paramref name="asked"/> is "40 MiB were asked for".</summary>
    private protected MarrowException OutOfMemory(string asked) => new("E901",
        $"{Name} is out of memory: {asked} while {Amount(LiveBytes)} are in use{MemoryLimits}. "
        + "Lower batch_size or max_length, set training.activation_checkpointing: true, or use bf16 weights (model.dtype: bf16). [E901]");

    /// <summary>"40 MiB"; "512 KiB" where that is more exact.</summary>
    private protected static string Amount(long bytes) => 
        bytes >= 16 << 20 ? string.Create(CultureInfo.InvariantCulture, $"{bytes >> 20} MiB") : string.Create(CultureInfo.InvariantCulture, $"{bytes >> 10} KiB");

    /// <inheritdoc/>
    public void Dispose()
    {
        Trim();
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the device itself holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    // Eight sizes to each power of two: at most an eighth is wasted and neighbouring shapes share buffers.
    private static long RoundUp(long bytes)
    {
        int log = 63 - System.Numerics.BitOperations.LeadingZeroCount((ulong)bytes);
        long step = Math.Max(64, 1L << Math.Max(0, log - 3));
        return checked(bytes + step - 1) / step * step;
    }
}
