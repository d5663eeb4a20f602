using System.Security.Cryptography;
using System.Text;
using Marrow.Engine.Devices;

namespace Marrow.Host.Machines;

/// <summary>What the environment says of devices. This is the one place that reads it.</summary>
/// <param name="Cache">The folder that is kept between runs (MARROW_CACHE, else the user's cache folder); null where there is none.</param>
/// <param name="BuildOptions">Options for the drivers' compilers, for finding faults (MARROW_KERNEL_OPTIONS).</param>
/// <param name="LibraryFolders">Folders to look in first for NVRTC and cuBLASLt (MARROW_LIBRARIES, separated as in PATH).</param>
internal sealed record DeviceSettings(string? Cache, string BuildOptions, IReadOnlyList<string> LibraryFolders)
{
    private const string Folder = "marrow";

    /// <summary>The file that <c>marrow tune</c> writes for a device, one for each device and driver; null where there is no cache.</summary>
    public string? TuningOf(DeviceListing device)
    {
        byte[] identity = SHA256.HashData(Encoding.UTF8.GetBytes($"{device.Description}\n{device.Capabilities?.Driver}"));
        return Cache is null ? null : Path.Combine(Cache, "tuning", $"{Convert.ToHexStringLower(identity)[..16]}.json");
    }

    /// <summary>Reads the environment.</summary>
    public static DeviceSettings Read() => new(
        Variable("MARROW_CACHE") is { } cache ? Path.GetFullPath(cache) : UserCache(),
        Variable("MARROW_KERNEL_OPTIONS") ?? "",
        (Variable("MARROW_LIBRARIES") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    /// <summary>What a device is opened with.</summary>
    public DeviceOptions Options(DeviceListing device, DeviceChoice choice, Action<string> notice) => new()
    {
        KernelCache = Cache is null ? null : Path.Combine(Cache, "kernels"),
        DumpKernels = choice.DumpKernels is { } folder ? Path.GetFullPath(folder) : null,
        Tuning = TuningOf(device),
        BuildOptions = BuildOptions,
        MemoryLimit = choice.MemoryBytes,
        LibraryFolders = LibraryFolders,
        Threads = choice.Threads ?? 0,
        Notice = notice,
    };

    private static string? UserCache()
    {
        if (OperatingSystem.IsWindows())
            return Under(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), Folder, "cache");
        // The XDG rules: a path that is not absolute counts as not given.
        if (Variable("XDG_CACHE_HOME") is { } given && Path.IsPathFullyQualified(given))
            return Path.Combine(given, Folder);
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return OperatingSystem.IsMacOS() ? Under(home, "Library", "Caches", Folder) : Under(home, ".cache", Folder);
    }

    private static string? Under(string root, params string[] parts) => root.Length == 0 ? null : Path.Combine([root, .. parts]);

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
