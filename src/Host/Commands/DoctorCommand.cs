using System.CommandLine;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow doctor</c>: what this machine has and what will be used.</summary>
internal static class DoctorCommand
{
    public static CliCommand Create()
    {
        var command = new Command("doctor", "Show what this machine has and what will be used");
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, _) =>
        {
            var machine = MachineInfo.Read();
            context.Report(new { version = ProgramVersion.Text, machine }, output =>
            {
                output.WriteLine($"marrow   {ProgramVersion.Text}");
                output.WriteLine($"system   {machine.System} ({machine.Architecture}), {machine.Runtime}");
                output.WriteLine($"cpu      {machine.Cpu}, {machine.Cores} logical cores, SIMD {machine.Simd}");
                output.WriteLine($"memory   {Quantity.Bytes(machine.MemoryBytes)}");
            });
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow doctor", "marrow doctor --json");
    }
}
