using Marrow.Engine.Devices;
using Xunit.Abstractions;

namespace Marrow.Tests;

/// <summary>The OpenCL device that tests run on: the first that can be used, be it a GPU or PoCL on the processor.</summary>
internal static class OpenClTestDevice
{
    /// <summary>Kernels stay here between runs of the tests; keyed by text and driver, so that nothing stale is ever used.</summary>
    private static readonly string KernelCache = Path.Combine(Path.GetTempPath(), $"marrow-test-kernels-{Environment.UserName}");

    /// <summary>Opens it; null, with the reason printed, where there is none.</summary>
    public static KernelDevice? Open(ITestOutputHelper output) => Open(output, new DeviceOptions { KernelCache = KernelCache, Notice = output.WriteLine });

    /// <summary>Opens it with options of the test's own.</summary>
    public static KernelDevice? Open(ITestOutputHelper output, DeviceOptions options)
    {
        DeviceListing[] listed = [.. DeviceCatalog.List().Where(l => l.Name.StartsWith("opencl", StringComparison.Ordinal))];
        DeviceListing? found = listed.FirstOrDefault(l => l.Open is not null);
        if (found is null)
        {
            output.WriteLine($"skipped: no OpenCL device here: {string.Join("; ", listed.Select(l => $"{l.Name}: {l.WhyNot}"))}");
            return null;
        }
        return (KernelDevice)found.Open!(options);
    }
}
