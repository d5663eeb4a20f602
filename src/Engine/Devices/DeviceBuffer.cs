namespace Marrow.Engine.Devices;

/// <summary>A run of bytes on a device. Made and freed by its device, which reuses freed ones of the same size.</summary>
public sealed class DeviceBuffer
{
    internal DeviceBuffer(Device device, nint handle, long bytes)
    {
        Device = device;
        Handle = handle;
        Bytes = bytes;
    }

    /// <summary>The device that owns it.</summary>
    public Device Device { get; }

    /// <summary>The address on the CPU; the driver's handle elsewhere.</summary>
    public nint Handle { get; internal set; }

    /// <summary>Its capacity in bytes.</summary>
    public long Bytes { get; }

    /// <summary>How many tensors hold it; the device gets it back at zero.</summary>
    internal int Holds { get; set; }
}
