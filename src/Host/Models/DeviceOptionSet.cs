using System.CommandLine;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;

namespace Marrow.Host.Models;

/// <summary>The options by which commands choose a device.</summary>
internal sealed class DeviceOptionSet
{
    private readonly Option<string?> device = new("--device")
    {
        Description = "Where to compute: auto (the first GPU that can be used, else the CPU), cpu, opencl[:n] or cuda[:n]; `marrow doctor` lists them",
        HelpName = "device",
    };
    private readonly Option<double?> memory = new("--device-memory") { Description = "Most memory to take on the device, in GiB", HelpName = "GiB" };
    private readonly Option<string?> dump = new("--dump-kernels") { Description = "Write the text of every kernel that the device compiles or loads to a folder", HelpName = "folder" };
    private readonly Option<int?> threads = new("--threads") { Description = "Threads on the CPU (all cores where not given)" };

    private DeviceOptionSet()
    {
        threads.Require(count => count is >= 1 and <= 1024, "--threads must be between 1 and 1024.");
        memory.Require(gib => gib > 0, "--device-memory must be above 0.");
    }

    /// <summary>Adds all of them to a command.</summary>
    public static DeviceOptionSet All(Command command)
    {
        DeviceOptionSet options = ForJobs(command);
        command.Options.Add(options.memory);
        command.Options.Add(options.threads);
        return options;
    }

    /// <summary>Adds the device's name and the folder for kernels' texts to a command that runs a job; the job has keys for the rest.</summary>
    public static DeviceOptionSet ForJobs(Command command) => Add(command, new DeviceOptionSet());

    /// <summary>As <see cref="ForJobs"/>, for the commands that look at devices and compute nothing else.</summary>
    /// <param name="command">Gets the options.</param>
    /// <param name="about">What naming a device means there.</param>
    public static DeviceOptionSet ForDevices(Command command, string about)
    {
        var options = new DeviceOptionSet();
        options.device.Description = about;
        return Add(command, options);
    }

    /// <summary>What was chosen with <see cref="All"/>.</summary>
    public DeviceChoice Read(ParseResult parse) => new(parse.GetValue(device) ?? "auto", parse.GetValue(threads), parse.GetValue(memory), parse.GetValue(dump));

    /// <summary>The device that was named, or null.</summary>
    public string? Named(ParseResult parse) => parse.GetValue(device);

    /// <summary>The folder for kernels' texts, or null.</summary>
    public string? DumpKernels(ParseResult parse) => parse.GetValue(dump);

    /// <summary>The device that was named, as a setting of a job.</summary>
    public IEnumerable<string> Settings(ParseResult parse) => Named(parse) is { } name ? [$"model.device='{name.Replace("'", "''", StringComparison.Ordinal)}'"] : [];

    private static DeviceOptionSet Add(Command command, DeviceOptionSet options)
    {
        command.Options.Add(options.device);
        command.Options.Add(options.dump);
        return options;
    }
}
