using Marrow.Engine.Devices;

namespace Marrow.Host.Machines;

/// <summary>The memory that training will take its own from.</summary>
/// <param name="Where">"this process", or the device's name.</param>
/// <param name="TotalBytes">What may be used at most.</param>
/// <param name="FreeBytes">What is not in use now; null where the device does not tell.</param>
internal sealed record MemoryRoom(string Where, long TotalBytes, long? FreeBytes)
{
    /// <summary>The room on a device that was found, within the limit that was chosen.</summary>
    public static MemoryRoom Of(DeviceListing device, long? limit)
    {
        long most = limit ?? long.MaxValue;
        if (device.Capabilities is { IsCpu: false } gpu)
            return new MemoryRoom(device.Name, Math.Min(gpu.MemoryBytes, most), null);
        var machine = MachineMemory.Read();
        return new MemoryRoom("this process", Math.Min(machine.TotalBytes, most), Math.Min(machine.FreeBytes, most));
    }
}
