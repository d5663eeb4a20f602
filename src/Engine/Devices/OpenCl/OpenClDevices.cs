using System.Globalization;

namespace Marrow.Engine.Devices.OpenCl;

/// <summary>Finds the OpenCL devices of every platform. Nothing is opened or compiled for a list.</summary>
internal static unsafe class OpenClDevices
{
    /// <summary>The devices as "opencl:0", "opencl:1" …: GPUs first, processors last, those that cannot be used behind them; the reason where there are none.</summary>
    public static IReadOnlyList<DeviceListing> List() => List(OpenClApi.LibraryNames);

    /// <summary>As <see cref="List()"/>, with the loader looked for under <paramref name="libraryNames"/>.</summary>
    internal static IReadOnlyList<DeviceListing> List(IReadOnlyList<string> libraryNames)
    {
        OpenClFound[] found = Find(libraryNames, out string whyNot);
        return found.Length == 0 ? [new DeviceListing("opencl", "OpenCL", null, whyNot, null)] : [.. found.Select(Listing)];
    }

    /// <summary>The devices in the order of their numbers; the reason where there are none.</summary>
    internal static OpenClFound[] Find(IReadOnlyList<string> libraryNames, out string whyNot)
    {
        if (!OpenClApi.TryLoad(libraryNames, out OpenClApi? api, out whyNot))
            return [];
        uint platformCount = 0;
        int status = api.GetPlatformIDs(0, null, &platformCount);
        nint[] platforms = new nint[status == 0 ? platformCount : 0];
        fixed (nint* p = platforms)
        {
            if (platforms.Length > 0)
                status = api.GetPlatformIDs(platformCount, p, null);
        }
        if (status != 0 || platforms.Length == 0)
        {
            whyNot = $"the OpenCL loader knows no driver ({OpenClStatus.Name(status)}): install the graphics card's driver with its OpenCL part; "
                + "on Debian and Ubuntu the package pocl-opencl-icd runs OpenCL on the processor";
            return [];
        }
        whyNot = "no OpenCL driver here has a device: is the graphics card's kernel module loaded, and may this user open its device files (groups render, video)?";
        return [.. platforms.SelectMany(platform => DevicesOf(api, platform)).OrderBy(d => d.WhyNot is null ? d.Rank : 3)];
    }

    private static DeviceListing Listing(OpenClFound found, int number)
    {
        string name = $"opencl:{number.ToString(CultureInfo.InvariantCulture)}";
        string description = $"{found.Name} ({found.PlatformName})";
        return found.WhyNot is { } whyNot
            ? new DeviceListing(name, description, null, whyNot, null)
            : new DeviceListing(name, description, found.Told, null, options => OpenClDevice.Open(found, name, description, options));
    }

    private static OpenClFound[] DevicesOf(OpenClApi api, nint platform)
    {
        uint count = 0;
        if (api.GetDeviceIDs(platform, OpenClQuery.AnyType, 0, null, &count) != 0 || count == 0)
            return [];
        nint[] devices = new nint[count];
        fixed (nint* p = devices)
        {
            if (api.GetDeviceIDs(platform, OpenClQuery.AnyType, count, p, null) != 0)
                return [];
        }
        return [.. devices.Select(device => new OpenClFound(api, platform, device))];
    }
}
