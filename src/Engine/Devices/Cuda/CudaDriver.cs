using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Marrow.Formats;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>The part of the CUDA driver API that is used, as function pointers into the library that the graphics driver installs.</summary>
internal sealed unsafe class CudaDriver
{
    /// <summary>CUresult values that are told apart.</summary>
    public const int Success = 0, OutOfMemory = 2, NoDevice = 100, InvalidImage = 200, NoBinary = 209, UnsupportedPtx = 222;

    /// <summary>CUdevice_attribute values.</summary>
    public const int MaxThreadsPerBlock = 1, SharedPerBlock = 8, Multiprocessors = 16, ComputeMode = 20, CapabilityMajor = 75, CapabilityMinor = 76;

    /// <summary>The CUcomputemode in which no process may use a device.</summary>
    public const int ComputeModeProhibited = 2;

    /// <summary>What the driver's library is called on the systems that have one.</summary>
    public static readonly IReadOnlyList<string> LibraryNames = ["libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1", "nvcuda.dll"];

    public readonly delegate* unmanaged<uint, int> Init;
    public readonly delegate* unmanaged<int*, int> DriverGetVersion;
    public readonly delegate* unmanaged<int*, int> DeviceGetCount;
    public readonly delegate* unmanaged<int*, int, int> DeviceGet;
    public readonly delegate* unmanaged<byte*, int, int, int> DeviceGetName;
    public readonly delegate* unmanaged<nuint*, int, int> DeviceTotalMem;
    public readonly delegate* unmanaged<int*, int, int, int> DeviceGetAttribute;
    public readonly delegate* unmanaged<nint*, int, int> PrimaryContextRetain;
    public readonly delegate* unmanaged<int, int> PrimaryContextRelease;
    public readonly delegate* unmanaged<nint, int> ContextSetCurrent;
    public readonly delegate* unmanaged<nint*, nuint, int> MemAlloc;
    public readonly delegate* unmanaged<nint, int> MemFree;
    public readonly delegate* unmanaged<void**, nuint, int> MemAllocHost;
    public readonly delegate* unmanaged<void*, int> MemFreeHost;
    public readonly delegate* unmanaged<nint, void*, nuint, nint, int> CopyToDevice;
    public readonly delegate* unmanaged<void*, nint, nuint, nint, int> CopyToHost;
    public readonly delegate* unmanaged<nint, nint, nuint, nint, int> CopyOnDevice;
    public readonly delegate* unmanaged<nint, byte, nuint, nint, int> SetBytes;
    public readonly delegate* unmanaged<nint*, uint, int> StreamCreate;
    public readonly delegate* unmanaged<nint, int> StreamDestroy;
    public readonly delegate* unmanaged<nint, int> StreamSynchronize;
    public readonly delegate* unmanaged<nint*, uint, int> EventCreate;
    public readonly delegate* unmanaged<nint, nint, int> EventRecord;
    public readonly delegate* unmanaged<nint, int> EventQuery;
    public readonly delegate* unmanaged<nint, int> EventSynchronize;
    public readonly delegate* unmanaged<nint, int> EventDestroy;
    public readonly delegate* unmanaged<nint*, void*, int> ModuleLoadData;
    public readonly delegate* unmanaged<nint, int> ModuleUnload;
    public readonly delegate* unmanaged<nint*, nint, byte*, int> ModuleGetFunction;
    public readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> LaunchKernel;
    private readonly delegate* unmanaged<int, byte**, int> _errorName;

    private CudaDriver(NativeExports of)
    {
        Init = (delegate* unmanaged<uint, int>)of["cuInit"];
        DriverGetVersion = (delegate* unmanaged<int*, int>)of["cuDriverGetVersion"];
        DeviceGetCount = (delegate* unmanaged<int*, int>)of["cuDeviceGetCount"];
        DeviceGet = (delegate* unmanaged<int*, int, int>)of["cuDeviceGet"];
        DeviceGetName = (delegate* unmanaged<byte*, int, int, int>)of["cuDeviceGetName"];
        DeviceTotalMem = (delegate* unmanaged<nuint*, int, int>)of["cuDeviceTotalMem_v2"];
        DeviceGetAttribute = (delegate* unmanaged<int*, int, int, int>)of["cuDeviceGetAttribute"];
        PrimaryContextRetain = (delegate* unmanaged<nint*, int, int>)of["cuDevicePrimaryCtxRetain"];
        PrimaryContextRelease = (delegate* unmanaged<int, int>)of["cuDevicePrimaryCtxRelease_v2"];
        ContextSetCurrent = (delegate* unmanaged<nint, int>)of["cuCtxSetCurrent"];
        MemAlloc = (delegate* unmanaged<nint*, nuint, int>)of["cuMemAlloc_v2"];
        MemFree = (delegate* unmanaged<nint, int>)of["cuMemFree_v2"];
        MemAllocHost = (delegate* unmanaged<void**, nuint, int>)of["cuMemAllocHost_v2"];
        MemFreeHost = (delegate* unmanaged<void*, int>)of["cuMemFreeHost"];
        CopyToDevice = (delegate* unmanaged<nint, void*, nuint, nint, int>)of["cuMemcpyHtoDAsync_v2"];
        CopyToHost = (delegate* unmanaged<void*, nint, nuint, nint, int>)of["cuMemcpyDtoHAsync_v2"];
        CopyOnDevice = (delegate* unmanaged<nint, nint, nuint, nint, int>)of["cuMemcpyDtoDAsync_v2"];
        SetBytes = (delegate* unmanaged<nint, byte, nuint, nint, int>)of["cuMemsetD8Async"];
        StreamCreate = (delegate* unmanaged<nint*, uint, int>)of["cuStreamCreate"];
        StreamDestroy = (delegate* unmanaged<nint, int>)of["cuStreamDestroy_v2"];
        StreamSynchronize = (delegate* unmanaged<nint, int>)of["cuStreamSynchronize"];
        EventCreate = (delegate* unmanaged<nint*, uint, int>)of["cuEventCreate"];
        EventRecord = (delegate* unmanaged<nint, nint, int>)of["cuEventRecord"];
        EventQuery = (delegate* unmanaged<nint, int>)of["cuEventQuery"];
        EventSynchronize = (delegate* unmanaged<nint, int>)of["cuEventSynchronize"];
        EventDestroy = (delegate* unmanaged<nint, int>)of["cuEventDestroy_v2"];
        ModuleLoadData = (delegate* unmanaged<nint*, void*, int>)of["cuModuleLoadData"];
        ModuleUnload = (delegate* unmanaged<nint, int>)of["cuModuleUnload"];
        ModuleGetFunction = (delegate* unmanaged<nint*, nint, byte*, int>)of["cuModuleGetFunction"];
        LaunchKernel = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)of["cuLaunchKernel"];
        _errorName = (delegate* unmanaged<int, byte**, int>)of["cuGetErrorName"];
    }

    /// <summary>The CUDA version that the driver supports, as 1000·major + 10·minor: 12080.</summary>
    public int Version { get; private set; }

    /// <summary>Loads and starts the driver. False with the reason and remedy where there is none, or it cannot start.</summary>
    public static bool TryLoad(IReadOnlyList<string> names, [NotNullWhen(true)] out CudaDriver? driver, out string whyNot)
    {
        (driver, whyNot) = (null, "");
        nint library = 0;
        if (!names.Any(name => NativeLibrary.TryLoad(name, out library)))
        {
            whyNot = $"no NVIDIA driver was found ({string.Join(", ", names)}): with an NVIDIA card, install NVIDIA's driver (Debian: nvidia-driver; Ubuntu: ubuntu-drivers install; "
                + "Windows: from nvidia.com); in a container, pass the card in (--gpus all)";
            return false;
        }
        var exports = new NativeExports(library);
        var found = new CudaDriver(exports);
        if (exports.Missing is { } missing)
        {
            whyNot = $"the NVIDIA driver has no {missing}: it is older than CUDA 11.2; update it to 525 or newer";
            return false;
        }
        int status = found.Init(0);
        if (status != Success)
        {
            whyNot = status == NoDevice
                ? "the NVIDIA driver finds no card (CUDA_ERROR_NO_DEVICE): is one there, may this user open /dev/nvidia*, and is CUDA_VISIBLE_DEVICES not set to hide it?"
                : $"the NVIDIA driver does not start ({found.NameOf(status)}): do its kernel module and its libraries have one version? A restart after an update helps; `nvidia-smi` tells more";
            return false;
        }
        int version;
        found.Version = found.DriverGetVersion(&version) == Success ? version : 0;
        driver = found;
        return true;
    }

    /// <summary>A CUresult's name: "CUDA_ERROR_ILLEGAL_ADDRESS".</summary>
    public string NameOf(int status)
    {
        byte* name;
        return _errorName(status, &name) == Success && name != null ? Echo.Name(Marshal.PtrToStringUTF8((nint)name) ?? "", 80) : $"CUDA error {status}";
    }

    /// <summary>A device's attribute; 0 where the driver does not know it.</summary>
    public int Attribute(int attribute, int device)
    {
        int value;
        return DeviceGetAttribute(&value, attribute, device) == Success ? value : 0;
    }
}
