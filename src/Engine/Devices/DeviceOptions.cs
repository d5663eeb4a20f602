namespace Marrow.Engine.Devices;

/// <summary>What a device is opened with. Nothing here is read from the environment: the program that opens the device decides.</summary>
public sealed record DeviceOptions
{
    /// <summary>The folder that keeps compiled kernels between runs; null compiles anew in every process.</summary>
    public string? KernelCache { get; init; }

    /// <summary>The most bytes that the cache keeps; the longest unused go first.</summary>
    public long KernelCacheBytes { get; init; } = 256L << 20;

    /// <summary>The folder that the text of every kernel used is written to; null for none.</summary>
    public string? DumpKernels { get; init; }

    /// <summary>The file of tuned choices that <c>marrow tune</c> writes; null uses the defaults of the device's class.</summary>
    public string? Tuning { get; init; }

    /// <summary>Options given to the driver's compiler besides ours, for finding faults.</summary>
    public string BuildOptions { get; init; } = "";

    /// <summary>The most bytes to take from the device; null for all it has.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>Folders to look in first for libraries that drivers do not bring along: NVRTC and cuBLASLt, which PyTorch's wheels carry too.</summary>
    public IReadOnlyList<string> LibraryFolders { get; init; } = [];

    /// <summary>Threads of the CPU device; 0 for one per processor.</summary>
    public int Threads { get; init; }

    /// <summary>Receives one line for each thing that works otherwise than asked for; each line comes once.</summary>
    public Action<string>? Notice { get; init; }
}
