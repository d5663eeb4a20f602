using Marrow.Engine.Devices;
using Xunit.Abstractions;

namespace Marrow.Tests;

/// <summary>The devices that tests compare with the CPU's results, opened once: the first of each kind that this machine has.</summary>
public sealed class KernelDevices : IDisposable
{
    private readonly Dictionary<string, Device> _open = [];

    /// <summary>The device of a kind ("cpu", "opencl", "cuda"); false, with the reason printed, where this machine has none.</summary>
    public bool Find(ITestOutputHelper output, string kind, out Device device)
    {
        if (_open.TryGetValue(kind, out device!))
            return true;
        DeviceListing[] listed = [.. DeviceCatalog.List().Where(l => l.Name == kind || l.Name.StartsWith(kind + ":", StringComparison.Ordinal))];
        if (listed.FirstOrDefault(l => l.Open is not null) is not { } found)
        {
            output.WriteLine($"skipped: no {kind} device here{string.Concat(listed.Select(l => $"; {l.Name}: {l.WhyNot}"))}");
            return false;
        }
        // Keyed by text and driver: nothing stale is ever used, and only the first run of the tests compiles.
        string cache = Path.Combine(Path.GetTempPath(), $"marrow-test-kernels-{Environment.UserName}");
        device = _open[kind] = found.Open!(new DeviceOptions { KernelCache = cache, Threads = 2 });
        return true;
    }

    public void Dispose()
    {
        foreach (Device device in _open.Values)
            device.Dispose();
    }
}

/// <summary>Test classes that share <see cref="KernelDevices"/>, so that no kernel is built twice.</summary>
[CollectionDefinition(Name)]
public sealed class KernelDeviceTests : ICollectionFixture<KernelDevices>
{
    public const string Name = "kernel devices";
}
