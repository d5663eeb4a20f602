using System.Globalization;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Devices.Cuda;
using Marrow.Engine.Devices.OpenCl;
using Marrow.Formats;

namespace Marrow.Engine.Devices;

/// <summary>The kinds of devices and the way to them. A new kind is its folder and one line in <see cref="Kinds"/>.</summary>
public static class DeviceCatalog
{
    private static readonly (string Kind, Func<IReadOnlyList<string>, IReadOnlyList<DeviceListing>> List)[] Kinds =
    [
        ("cuda", CudaDevices.List),
        ("opencl", _ => OpenClDevices.List()),
        ("cpu", _ => [new DeviceListing("cpu", "the processor", null, null, options => new CpuDevice(options.Threads, options.MemoryLimit))]),
    ];

    /// <summary>
    /// Every device of every kind, and for kinds without one the reason. Looks at drivers anew each time. <paramref name="libraryFolders"/> is
    /// <see cref="DeviceOptions.LibraryFolders"/>.
    /// </summary>
    public static IReadOnlyList<DeviceListing> List(IReadOnlyList<string>? libraryFolders = null) => [.. Kinds.SelectMany(k => k.List(libraryFolders ?? []))];

    /// <summary>
    /// Opens the device that <paramref name="choice"/> names: "cpu", "opencl", "opencl:1", "cuda", "cuda:0", or "auto" for the first GPU that can be
    /// used and otherwise the CPU. OpenCL on a processor is taken only when it is named.
    /// </summary>
    /// <exception cref="MarrowException">DV001 the name is none of these; DV002 there is no such device, with the reason.</exception>
    public static Device Open(string choice, DeviceOptions options)
    {
        ArgumentNullException.ThrowIfNull(choice);
        ArgumentNullException.ThrowIfNull(options);
        return Find(choice, options.LibraryFolders).Open!(options);
    }

    /// <summary>The listing that <paramref name="choice"/> names; one that can be opened.</summary>
    /// <exception cref="MarrowException">As <see cref="Open"/>.</exception>
    public static DeviceListing Find(string choice, IReadOnlyList<string>? libraryFolders = null)
    {
        ArgumentNullException.ThrowIfNull(choice);
        if (choice == "auto")
            return List(libraryFolders).First(l => l.Open is not null && l.Capabilities is not { IsCpu: true });
        string kind = choice.Split(':')[0];
        int number = 0;
        if (!Kinds.Any(k => k.Kind == kind) || (choice != kind && !int.TryParse(choice.AsSpan(kind.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out number)) || (kind == "cpu" && choice != kind))
            throw new MarrowException("DV001", $"device {Echo.Quote(choice)}: known are auto, cpu, opencl, opencl:N, cuda and cuda:N (`marrow doctor` lists them). [DV001]");
        IReadOnlyList<DeviceListing> all = Kinds.First(k => k.Kind == kind).List(libraryFolders ?? []);
        string name = kind == "cpu" ? kind : $"{kind}:{number.ToString(CultureInfo.InvariantCulture)}";
        DeviceListing? found = all.FirstOrDefault(l => l.Name == name) ?? all.FirstOrDefault(l => l.Open is null && l.Name == kind);
        return found?.Open is not null ? found
            : throw new MarrowException("DV002", $"device {choice}: {found?.WhyNot ?? $"there are {all.Count(l => l.Open is not null)} {kind} devices here, numbered from 0"} (`marrow doctor` lists devices). [DV002]");
    }
}
