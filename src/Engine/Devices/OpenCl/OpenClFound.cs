using System.Text;
using Marrow.Formats;

namespace Marrow.Engine.Devices.OpenCl;

/// <summary>A device as its platform tells of it, before anything is opened.</summary>
internal sealed unsafe record OpenClFound(OpenClApi Api, nint Platform, nint Handle)
{
    /// <summary>"NVIDIA H200".</summary>
    public string Name { get; } = Echo.Name(Text(Api.GetDeviceInfo, Handle, OpenClQuery.DeviceName));

    /// <summary>The platform's name: "NVIDIA CUDA".</summary>
    public string PlatformName { get; } = Echo.Name(Text(Api.GetPlatformInfo, Platform, OpenClQuery.PlatformName));

    /// <summary>Everything that a compiled kernel depends on besides its text.</summary>
    public string Identity { get; } = string.Join('\n', Text(Api.GetDeviceInfo, Handle, OpenClQuery.DeviceName), Text(Api.GetDeviceInfo, Handle, OpenClQuery.DeviceVersion),
        Text(Api.GetDeviceInfo, Handle, OpenClQuery.DriverVersion), Text(Api.GetPlatformInfo, Platform, OpenClQuery.PlatformVersion));

    /// <summary>True for the driver whose compiler takes inline PTX.</summary>
    public bool IsNvidia { get; } = Text(Api.GetPlatformInfo, Platform, OpenClQuery.PlatformVendor).Contains("NVIDIA", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether it says that it has sub-groups. A claim is tried before it is believed.</summary>
    public bool ClaimsSubgroups => Number(OpenClQuery.MaxNumSubGroups) > 0 || Lists("cl_khr_subgroups");

    /// <summary>Whether it says that it computes in double precision.</summary>
    public bool ClaimsFp64 => Number(OpenClQuery.DoubleFpConfig) > 0 || Lists("cl_khr_fp64");

    /// <summary>Whether it says that it computes in half precision.</summary>
    public bool ClaimsFp16 => Number(OpenClQuery.HalfFpConfig) > 0 || Lists("cl_khr_fp16");

    /// <summary>GPUs come before accelerators, and those before processors.</summary>
    public int Rank => (Type & OpenClQuery.TypeGpu) != 0 ? 0 : (Type & OpenClQuery.TypeCpu) == 0 ? 1 : 2;

    /// <summary>What the driver tells; what has to be tried out is still false.</summary>
    public DeviceCapabilities Told => new()
    {
        MemoryBytes = (long)Math.Min(Number(OpenClQuery.GlobalMemSize), long.MaxValue),
        MaxBufferBytes = (long)Math.Min(Number(OpenClQuery.MaxMemAllocSize), long.MaxValue),
        SharedBytes = (int)Math.Min(Number(OpenClQuery.LocalMemSize), int.MaxValue),
        MaxLanes = (int)Math.Min(Math.Min(Number(OpenClQuery.MaxWorkGroupSize), WidestGroup()), 1 << 20),
        ComputeUnits = (int)Math.Min(Number(OpenClQuery.ComputeUnits), int.MaxValue),
        IsCpu = (Type & OpenClQuery.TypeCpu) != 0 && (Type & OpenClQuery.TypeGpu) == 0,
        Driver = $"{PlatformName} {Echo.Name(Text(Api.GetDeviceInfo, Handle, OpenClQuery.DriverVersion))}",
    };

    /// <summary>Why it cannot be used, with the remedy; null where it can.</summary>
    public string? WhyNot =>
        Number(OpenClQuery.DeviceAvailable) == 0 ? "the driver says that it is not available now (another program may hold it alone)"
        : Number(OpenClQuery.CompilerAvailable) == 0 ? "its driver has no compiler for kernels; install the vendor's full driver"
        : Number(OpenClQuery.EndianLittle) == 0 ? "it is big-endian, which the kernels are not made for"
        : Told is { MemoryBytes: 0 } or { MaxLanes: 0 } ? "the driver does not tell its memory or group size; update the driver"
        : null;

    private ulong Type => Number(OpenClQuery.DeviceType);

    // A number of any width up to 8 bytes; 0 where the driver does not know the question.
    private ulong Number(uint what)
    {
        ulong value = 0;
        return Api.GetDeviceInfo(Handle, what, sizeof(ulong), &value, null) == 0 ? value : 0;
    }

    private bool Lists(string extension) => Text(Api.GetDeviceInfo, Handle, OpenClQuery.DeviceExtensions).Split(' ').Contains(extension);

    private ulong WidestGroup()
    {
        nuint* sizes = stackalloc nuint[16];
        nuint bytes;
        return Api.GetDeviceInfo(Handle, OpenClQuery.MaxWorkItemSizes, 16 * (nuint)sizeof(nuint), sizes, &bytes) == 0 && bytes > 0 ? sizes[0] : 0;
    }

    private static string Text(delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> ask, nint of, uint what)
    {
        nuint bytes = 0;
        if (ask(of, what, 0, null, &bytes) != 0 || bytes is 0 or > 1 << 16)
            return "";
        byte[] text = new byte[bytes];
        fixed (byte* p = text)
        {
            if (ask(of, what, bytes, p, null) != 0)
                return "";
        }
        return Encoding.UTF8.GetString(text).TrimEnd('\0').Trim();
    }
}
