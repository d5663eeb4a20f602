using System.CommandLine;
using Marrow.Engine;
using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;
using Marrow.Host.Models;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow tune</c>: measures which kernels multiply matrices fastest on a device, and keeps the choice.</summary>
internal static class TuneCommand
{
    public static CliCommand Create()
    {
        var command = new Command("tune", "Measure which kernels multiply matrices fastest on a device, and keep the choice for later runs");
        DeviceOptionSet device = DeviceOptionSet.ForDevices(command, "The device to measure: opencl[:n] or cuda[:n] (the first GPU that can be used where not given)");
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
            Task.FromResult(Tune(context, new DeviceChoice(device.Named(parse) ?? "auto", DumpKernels: device.DumpKernels(parse)), stopping))));
        return new CliCommand(command, "marrow tune", "marrow tune --device opencl");
    }

    private static int Tune(CommandContext context, DeviceChoice choice, CancellationToken stopping)
    {
        var devices = context.Get<DeviceOpener>();
        DeviceListing found = devices.Find(choice);
        if (found.Name == "cpu")
            throw new MarrowException("DV022", "device cpu: there is nothing to choose among, its matrix products have one form; name another device with --device (`marrow doctor` lists them)");
        string file = devices.Settings.TuningOf(found)
            ?? throw new MarrowException("DV022", "there is no folder to keep the choice in: the user has no home folder; set MARROW_CACHE to a folder");
        TextWriter text = context.Json ? TextWriter.Null : context.Output;
        using var device = (KernelDevice)devices.Open(found, choice);
        IReadOnlyList<MatMulTiming> rows = MatMulTuning.Run(device, file, text.WriteLine, stopping);
        context.Report(new { Device = found.Name, found.Description, File = file, Timings = rows },
            output => output.WriteLine($"the fastest (*) are kept in {file}; at best {Quantity.Short(rows.Max(r => r.Gflops))} GFLOP/s"));
        return ExitCode.Done;
    }
}
