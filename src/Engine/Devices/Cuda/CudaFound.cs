using System.Globalization;
using System.Text;
using Marrow.Formats;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>A device that the driver shows, and what it tells of it.</summary>
internal sealed unsafe class CudaFound
{
    /// <summary>Reads what is told of <paramref name="device"/>.</summary>
    public CudaFound(CudaDriver driver, int device)
    {
        (Driver, Device) = (driver, device);
        int major = driver.Attribute(CudaDriver.CapabilityMajor, device), minor = driver.Attribute(CudaDriver.CapabilityMinor, device);
        Architecture = 10 * major + minor;
        CapabilityText = string.Create(CultureInfo.InvariantCulture, $"{major}.{minor}");
        const int capacity = 256;
        byte* text = stackalloc byte[capacity];
        string name = driver.DeviceGetName(text, capacity, device) == CudaDriver.Success
            ? Encoding.UTF8.GetString(new ReadOnlySpan<byte>(text, capacity)[..^1]).Split('\0')[0] : "NVIDIA card";
        Description = $"{Echo.Name(name, 80)} (compute capability {CapabilityText}, CUDA {CudaLibraries.Text(driver.Version)})";
        nuint bytes;
        long memory = driver.DeviceTotalMem(&bytes, device) == CudaDriver.Success ? (long)bytes : 0;
        Capabilities = new DeviceCapabilities
        {
            MemoryBytes = memory,
            MaxBufferBytes = memory,
            // More can be had only as dynamic shared memory; kernels declare theirs.
            SharedBytes = driver.Attribute(CudaDriver.SharedPerBlock, device),
            MaxLanes = driver.Attribute(CudaDriver.MaxThreadsPerBlock, device),
            ComputeUnits = driver.Attribute(CudaDriver.Multiprocessors, device),
            Subgroups = true,
            MatrixUnits = major >= 8,
            Fp64 = true,
            Fp16 = Architecture >= 53,
            Driver = $"CUDA {CudaLibraries.Text(driver.Version)}, compute capability {CapabilityText}",
        };
    }

    /// <summary>The driver.</summary>
    public CudaDriver Driver { get; }

    /// <summary>The driver's number of the device.</summary>
    public int Device { get; }

    /// <summary>The compute capability as 10·major + minor: 90.</summary>
    public int Architecture { get; }

    /// <summary>"9.0".</summary>
    public string CapabilityText { get; }

    /// <summary>Its name, for people.</summary>
    public string Description { get; }

    /// <summary>What it can do.</summary>
    public DeviceCapabilities Capabilities { get; }
}
