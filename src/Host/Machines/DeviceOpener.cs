using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats;
using Microsoft.Extensions.Logging;

namespace Marrow.Host.Machines;

/// <summary>Opens devices with the settings of this process, and says once in the log what should be known of them.</summary>
internal sealed partial class DeviceOpener(ILogger<DeviceOpener> log)
{
    private readonly HashSet<string> told = [];

    /// <summary>What the environment says.</summary>
    public DeviceSettings Settings { get; } = DeviceSettings.Read();

    /// <summary>Every device of every kind, and the reasons where there is none.</summary>
    public IReadOnlyList<DeviceListing> List() => DeviceCatalog.List(Settings.LibraryFolders);

    /// <summary>The device that is meant, without opening it.</summary>
    /// <exception cref="MarrowException">DV001, DV002: there is no such device.</exception>
    public DeviceListing Find(DeviceChoice choice)
    {
        if (choice.Name == "auto")
            TellUnused(List());
        return DeviceCatalog.Find(choice.Name, Settings.LibraryFolders);
    }

    /// <summary>Opens the device that is meant. Where auto meets a GPU that does not open, it says so and goes on to the next device.</summary>
    /// <exception cref="MarrowException">DV001, DV002: there is no such device. DV011, DV012: it does not open. CL006: kernels of a device that has none.</exception>
    public Device Open(DeviceChoice choice)
    {
        DeviceListing found = Find(choice);
        if (choice.Name != "auto")
            return Open(found, choice);
        // The rule of the catalog, which puts the CPU last.
        foreach (DeviceListing listing in List().Where(l => l.Open is not null && l.Capabilities is { IsCpu: false }))
        {
            try
            {
                return Open(listing, choice);
            }
            catch (MarrowException e) when (e.Code is "DV011" or "DV012" or "DV013")
            {
                Tell($"{listing.Name} ({listing.Description}) is not used: {e.Message}");
            }
        }
        return Open(DeviceCatalog.Find("cpu"), choice);
    }

    /// <summary>Opens a device of the list.</summary>
    /// <exception cref="MarrowException">As <see cref="Open(DeviceChoice)"/>.</exception>
    public Device Open(DeviceListing listing, DeviceChoice choice)
    {
        Device device = listing.Open!(Settings.Options(listing, choice, Tell));
        if (device is CpuDevice && choice.DumpKernels is not null)
        {
            device.Dispose();
            throw new MarrowException("CL006", "--dump-kernels: the CPU runs compiled code and no kernels; name another device with --device (`marrow doctor` lists them)");
        }
        if (device is KernelDevice && told.Add(device.Name))
            Say(log, $"computing on {device.Name}: {device.Description}");
        return device;
    }

    private void TellUnused(IReadOnlyList<DeviceListing> all)
    {
        // A name with a number is a device that is there.
        foreach (DeviceListing listing in all.Where(l => l.WhyNot is not null && l.Name.Contains(':', StringComparison.Ordinal)))
            Tell($"{listing.Name} ({listing.Description}) is not used: {listing.WhyNot}");
    }

    /// <summary>Says a warning, once.</summary>
    public void Tell(string line)
    {
        if (told.Add(line))
            Warn(log, line);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{message}")]
    private static partial void Warn(ILogger log, string message);

    [LoggerMessage(Level = LogLevel.Information, Message = "{message}")]
    private static partial void Say(ILogger log, string message);
}
