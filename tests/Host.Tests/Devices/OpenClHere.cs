using Marrow.Engine.Devices;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Devices;

/// <summary>Whether this machine has an OpenCL device; asked once, and none is opened in the tests' own process.</summary>
internal static class OpenClHere
{
    private static readonly Lazy<string?> WhyNot = new(() =>
    {
        DeviceListing[] listed = [.. DeviceCatalog.List().Where(l => l.Name.Split(':')[0] == "opencl")];
        return listed.Any(l => l.Open is not null) ? null : string.Join("; ", listed.Select(l => $"{l.Name}: {l.WhyNot}"));
    });

    /// <summary>False, with the reason printed, where there is none.</summary>
    public static bool Found(ITestOutputHelper output)
    {
        if (WhyNot.Value is { } reason)
            output.WriteLine($"skipped: no OpenCL device here: {reason}");
        return WhyNot.Value is null;
    }
}
