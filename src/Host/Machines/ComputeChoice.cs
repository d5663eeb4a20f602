using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Host.Machines;

/// <summary>Where and how a command computes.</summary>
/// <param name="Device">auto, cpu, opencl[:n] or cuda[:n].</param>
/// <param name="Activations">Type of activations in memory: auto, fp32 or bf16.</param>
/// <param name="Threads">Threads on the CPU; null for one per core.</param>
/// <param name="MemoryGb">The most GiB to take from a GPU; null for all it has.</param>
/// <param name="DumpKernels">The folder that gets the text of every kernel used, or null.</param>
internal sealed record ComputeChoice(string Device = "auto", string Activations = "auto", int? Threads = null, double? MemoryGb = null, string? DumpKernels = null)
{
    /// <summary>The same as settings of a job.</summary>
    public IEnumerable<string> AsSettings
    {
        get
        {
            yield return $"model.device={Device}";
            yield return $"model.activations={Activations}";
            if (Threads is { } threads)
                yield return FormattableString.Invariant($"training.threads={threads}");
            if (MemoryGb is { } gb)
                yield return FormattableString.Invariant($"model.device_memory_gb={gb}");
        }
    }

    /// <summary>The device's entry in the catalog.</summary>
    /// <exception cref="MarrowException">DV001, DV002: there is no such device.</exception>
    public DeviceListing Find() => DeviceCatalog.Find(Device, LibraryFolders);

    /// <summary>Opens the device; <paramref name="notice"/> gets a line for each thing that works otherwise than one would expect.</summary>
    /// <exception cref="MarrowException">DV001, DV002: there is no such device; DV012: it does not open.</exception>
    public Device Open(Action<string> notice)
    {
        DeviceListing chosen = Find();
        // Who leaves the choice to us should know of a GPU that is there and is of no use.
        if (Device == "auto" && chosen.Name == "cpu")
        {
            foreach (DeviceListing gpu in List().Where(l => l is { Open: null, Name: not ("cuda" or "opencl") }))
                notice($"{gpu.Name} ({gpu.Description}) is not used: {gpu.WhyNot}");
        }
        return chosen.Open!(Options(notice));
    }

    /// <summary>The type of activations on <paramref name="device"/>: in auto bf16 on a GPU whose model has bf16 weights, else fp32.</summary>
    /// <exception cref="MarrowException">MP004: bf16 on the CPU.</exception>
    public DType ActivationsOn(Device device, bool halfWeights) => Activations switch
    {
        "bf16" when device is not KernelDevice => throw new MarrowException("MP004", "activations bf16: the CPU computes with fp32 activations only; use fp32 or auto, or choose a GPU by --device"),
        "bf16" => DType.BF16,
        "auto" when halfWeights && device is KernelDevice { Capabilities.IsCpu: false } => DType.BF16,
        _ => DType.F32,
    };

    /// <summary>Every device here, and for kinds without one the reason.</summary>
    public static IReadOnlyList<DeviceListing> List() => DeviceCatalog.List(LibraryFolders);

    /// <summary>Folders besides the system's in which drivers' libraries are looked for.</summary>
    private static string[] LibraryFolders => Environment.GetEnvironmentVariable("MARROW_LIBRARY_PATH")?.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries) ?? [];

    private DeviceOptions Options(Action<string> notice) => new()
    {
        Threads = Threads ?? 0,
        LibraryFolders = LibraryFolders,
        KernelCache = Path.Combine(CacheFolder.Path, "kernels"),
        Tuning = TuningFile,
        DumpKernels = DumpKernels,
        MemoryLimit = MemoryGb is { } gb ? (long)(gb * (1L << 30)) : null,
        BuildOptions = Environment.GetEnvironmentVariable("MARROW_KERNEL_OPTIONS") ?? "",
        Notice = notice,
    };

    /// <summary>The file in which <c>marrow tune</c> keeps its choices.</summary>
    public static string TuningFile => Path.Combine(CacheFolder.Path, "tuning.json");
}
