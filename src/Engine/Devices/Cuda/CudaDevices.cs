using System.Globalization;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>Finds the devices of NVIDIA's driver. Nothing is opened or compiled for a list.</summary>
internal static unsafe class CudaDevices
{
    /// <summary>The devices as "cuda:0", "cuda:1" … in the driver's order; the reason where there are none. <paramref name="folders"/> may hold NVIDIA's libraries.</summary>
    public static IReadOnlyList<DeviceListing> List(IReadOnlyList<string> folders) => List(CudaDriver.LibraryNames, folders);

    /// <summary>As <see cref="List(IReadOnlyList{string})"/>, with the driver looked for under <paramref name="libraryNames"/>.</summary>
    internal static IReadOnlyList<DeviceListing> List(IReadOnlyList<string> libraryNames, IReadOnlyList<string> folders)
    {
        if (!CudaDriver.TryLoad(libraryNames, out CudaDriver? driver, out string whyNot))
            return [None(whyNot)];
        int count;
        int status = driver.DeviceGetCount(&count);
        if (status != CudaDriver.Success || count <= 0)
            return [None($"the NVIDIA driver shows no card ({(status == CudaDriver.Success ? "none is visible" : driver.NameOf(status))}): is CUDA_VISIBLE_DEVICES not set to hide it?")];
        Nvrtc? nvrtc = Nvrtc.Find(driver, folders, out string noCompiler);
        return [.. Enumerable.Range(0, count).Select(number => Listing(driver, nvrtc, noCompiler, number))];
    }

    private static DeviceListing Listing(CudaDriver driver, Nvrtc? nvrtc, string noCompiler, int number)
    {
        string name = $"cuda:{number.ToString(CultureInfo.InvariantCulture)}";
        int device;
        int status = driver.DeviceGet(&device, number);
        if (status != CudaDriver.Success)
            return new DeviceListing(name, "an NVIDIA card", null, $"the driver does not give it ({driver.NameOf(status)})", null);
        CudaFound found = new(driver, device);
        string? whyNot = nvrtc is null ? noCompiler
            : driver.Attribute(CudaDriver.ComputeMode, device) == CudaDriver.ComputeModeProhibited ? "its compute mode forbids every use; `nvidia-smi -c DEFAULT` as administrator allows it"
            : nvrtc.NearestBelow(found.Architecture) == 0
                ? $"NVRTC {CudaLibraries.Text(nvrtc.Version)} compiles nothing for compute capability {found.CapabilityText}: take an older NVRTC, or --device opencl"
            : null;
        return whyNot is not null
            ? new DeviceListing(name, found.Description, null, whyNot, null)
            : new DeviceListing(name, found.Description, found.Capabilities, null, options => CudaDevice.Open(found, nvrtc!, name, options));
    }

    private static DeviceListing None(string whyNot) => new("cuda", "CUDA", null, whyNot, null);
}
