namespace Marrow.Engine.Devices.OpenCl;

/// <summary>Numbers of the questions and flags that are used (OpenCL 1.2 specification, cl.h).</summary>
internal static class OpenClQuery
{
    public const uint PlatformVersion = 0x901, PlatformName = 0x902, PlatformVendor = 0x903;

    public const uint DeviceType = 0x1000, ComputeUnits = 0x1002, MaxWorkGroupSize = 0x1004, MaxWorkItemSizes = 0x1005, MaxMemAllocSize = 0x1010,
        GlobalMemSize = 0x101F, LocalMemSize = 0x1023, EndianLittle = 0x1026, DeviceAvailable = 0x1027, CompilerAvailable = 0x1028,
        DeviceName = 0x102B, DriverVersion = 0x102D, DeviceVersion = 0x102F,
        DeviceExtensions = 0x1030, DoubleFpConfig = 0x1032, HalfFpConfig = 0x1033, MaxNumSubGroups = 0x105C;

    public const uint ContextPlatform = 0x1084, ProgramBinarySizes = 0x1165, ProgramBinaries = 0x1166, BuildLog = 0x1183, KernelWorkGroupSize = 0x11B0,
        EventStatus = 0x11D3;

    public const ulong TypeCpu = 2, TypeGpu = 4, AnyType = 0xFFFFFFFF;

    public const ulong MemReadWrite = 1, MemAllocHostPtr = 16, MapWrite = 2;
}
