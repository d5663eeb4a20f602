namespace Marrow.Host.Machines;

/// <summary>Which device is to compute, and with what of it.</summary>
/// <param name="Name">auto, cpu, opencl[:n] or cuda[:n].</param>
/// <param name="Threads">Threads on the CPU; null for one per core.</param>
/// <param name="MemoryGiB">The most memory to take on it, in GiB; null for all.</param>
/// <param name="DumpKernels">The folder that the text of every kernel used is written to, or null.</param>
internal sealed record DeviceChoice(string Name = "auto", int? Threads = null, double? MemoryGiB = null, string? DumpKernels = null)
{
    /// <summary><see cref="MemoryGiB"/> in bytes.</summary>
    public long? MemoryBytes => MemoryGiB is { } gib ? (long)Math.Min(gib * (1L << 30), long.MaxValue / 2) : null;
}
