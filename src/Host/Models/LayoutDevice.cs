using Marrow.Engine.Devices;

namespace Marrow.Host.Models;

/// <summary>A device that stores nothing: a model made on it has its names and shapes and takes no memory. It cannot compute.</summary>
internal sealed class LayoutDevice : Device
{
    /// <inheritdoc/>
    public override string Name => "layout";

    /// <inheritdoc/>
    public override string Description => "shapes without values";

    /// <inheritdoc/>
    public override void Upload(DeviceBuffer to, long offset, ReadOnlySpan<byte> from)
    {
    }

    /// <inheritdoc/>
    public override void Download(DeviceBuffer from, long offset, Span<byte> to) => to.Clear();

    /// <inheritdoc/>
    public override void Copy(DeviceBuffer from, long fromOffset, DeviceBuffer to, long toOffset, long bytes)
    {
    }

    /// <inheritdoc/>
    public override void Clear(DeviceBuffer buffer, long offset, long bytes)
    {
    }

    /// <inheritdoc/>
    protected override nint Reserve(long bytes) => 1;

    /// <inheritdoc/>
    protected override void Release(nint handle, long bytes)
    {
    }
}
