using System.CommandLine;
using Marrow.Engine.Devices;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;
using Marrow.Host.Models;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow doctor</c>: what this machine has, what will be used, and whether it computes rightly.</summary>
internal static class DoctorCommand
{
    public static CliCommand Create()
    {
        var full = new Option<bool>("--full") { Description = "Run every case of the self-test, the large ones too" };
        var command = new Command("doctor", "Show what this machine has, what will be used, and whether it computes rightly") { full };
        DeviceOptionSet device = DeviceOptionSet.ForDevices(command, "Test this device only: cpu, opencl[:n] or cuda[:n] (all that can be opened where not given)");
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
            Task.FromResult(Examine(context, device.Named(parse), device.DumpKernels(parse), parse.GetValue(full), stopping))));
        return new CliCommand(command, "marrow doctor", "marrow doctor --device opencl --full", "marrow doctor --json");
    }

    private static int Examine(CommandContext context, string? named, string? dumpKernels, bool full, CancellationToken stopping)
    {
        var devices = context.Get<DeviceOpener>();
        var machine = MachineInfo.Read();
        var memory = MachineMemory.Read();
        string usual = devices.Find(new DeviceChoice()).Name;
        string? only = named is null ? null : devices.Find(new DeviceChoice(named)).Name;
        TextWriter text = context.Json ? TextWriter.Null : context.Output;
        text.WriteLine($"marrow   {ProgramVersion.Text}");
        text.WriteLine($"system   {machine.System} ({machine.Architecture}), {machine.Runtime}, {machine.Cpu}");
        text.WriteLine($"memory   {Quantity.Bytes(memory.TotalBytes)}, {Quantity.Bytes(memory.FreeBytes)} free");
        text.WriteLine($"uses     {usual}, unless --device says otherwise");
        text.WriteLine($"cache    {devices.Settings.Cache ?? "none: the user has no home folder, and MARROW_CACHE is not set"}");
        List<DeviceExamination> found = [];
        foreach (DeviceListing listing in devices.List())
        {
            bool test = listing.Open is not null && (only ?? listing.Name) == listing.Name;
            // The CPU has no kernels whose text could be written.
            var choice = new DeviceChoice(DumpKernels: listing.Name == "cpu" && only is null ? null : dumpKernels);
            found.Add(DeviceExamination.Of(listing, devices, choice, test, full, text, stopping));
        }
        bool passed = found.All(f => f.Passed);
        text.WriteLine();
        text.WriteLine(passed ? "all well" : $"FAILED: results of {string.Join(", ", found.Where(f => !f.Passed).Select(f => f.Name))} on this machine cannot be trusted; please report it with these lines");
        context.ReportJson(new
        {
            version = ProgramVersion.Text,
            machine,
            memory,
            uses = usual,
            cache = devices.Settings.Cache,
            passed,
            full,
            devices = found,
        });
        return passed ? ExitCode.Done : ExitCode.Failed;
    }
}
