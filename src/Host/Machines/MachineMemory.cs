using System.Globalization;

namespace Marrow.Host.Machines;

/// <summary>Memory that this process may use, limits of its container included.</summary>
/// <param name="TotalBytes">All of it.</param>
/// <param name="FreeBytes">What is not in use now, file caches counted as free.</param>
public sealed record MachineMemory(long TotalBytes, long FreeBytes)
{
    private const string ControlGroup = "/sys/fs/cgroup";

    /// <summary>Asks the operating system.</summary>
    public static MachineMemory Read()
    {
        GC.Collect(0);
        GCMemoryInfo runtime = GC.GetGCMemoryInfo();
        long total = runtime.TotalAvailableMemoryBytes, free = total - runtime.MemoryLoadBytes;
        if (Field("/proc/meminfo", "MemAvailable:") is { } kibibytes)
            free = Math.Min(kibibytes * 1024, FreeInGroup() ?? long.MaxValue);
        return new MachineMemory(total, Math.Clamp(free, 0, total));
    }

    /// <summary>What the container's limit leaves; null where there is no limit.</summary>
    private static long? FreeInGroup()
    {
        string limit = Path.Combine(ControlGroup, "memory.max"), used = Path.Combine(ControlGroup, "memory.current");
        return Number(limit) is { } most && Number(used) is { } now
            ? most - now + (Field(Path.Combine(ControlGroup, "memory.stat"), "inactive_file") ?? 0) : null;
    }

    private static long? Number(string path) =>
        File.Exists(path) && long.TryParse(File.ReadAllText(path), NumberStyles.Integer | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out long value) ? value : null;

    private static long? Field(string path, string name) =>
        File.Exists(path) && File.ReadLines(path).FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal)) is { } line
            && long.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], NumberStyles.Integer, CultureInfo.InvariantCulture, out long value) ? value : null;
}
