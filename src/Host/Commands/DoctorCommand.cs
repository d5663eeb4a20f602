using System.CommandLine;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow doctor</c>: what this machine has, what will be used, and whether it computes rightly.</summary>
internal static class DoctorCommand
{
    private static readonly string[] NoGpu = ["opencl", "cuda"];

    public static CliCommand Create()
    {
        var full = new Option<bool>("--full") { Description = "Run every case of the self-test, the large ones too" };
        var command = new Command("doctor", "Show what this machine has, what will be used, and whether it computes rightly") { full };
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) => Task.FromResult(Examine(context, parse.GetValue(full), stopping))));
        return new CliCommand(command, "marrow doctor", "marrow doctor --full", "marrow doctor --json");
    }

    private static int Examine(CommandContext context, bool full, CancellationToken stopping)
    {
        var machine = MachineInfo.Read();
        var memory = MachineMemory.Read();
        using var cpu = new CpuDevice();
        double one = FmaPeak.OneCore(), all = FmaPeak.AllCores(cpu.Pool);
        (double copy, double triad) = MemoryBandwidth.Measure(cpu.Pool);
        TextWriter text = context.Json ? TextWriter.Null : context.Output;
        text.WriteLine($"marrow   {ProgramVersion.Text}");
        text.WriteLine($"system   {machine.System} ({machine.Architecture}), {machine.Runtime}");
        text.WriteLine($"memory   {Quantity.Bytes(memory.TotalBytes)}, {Quantity.Bytes(memory.FreeBytes)} free");
        text.WriteLine("devices");
        text.WriteLine($"  cpu    {machine.Cpu}, {cpu.Pool.Threads} threads, {CpuDevice.SimdLevel}");
        text.WriteLine($"         {Quantity.Short(all)} GFLOP/s fp32 at most ({Quantity.Short(one)} on one core), "
            + $"memory {Quantity.Short(copy)} GB/s copy, {Quantity.Short(triad)} GB/s triad (measured now)");
        foreach (string gpu in NoGpu)
            text.WriteLine($"  {gpu,-6} not supported in this version; not looked for");
        text.WriteLine("uses     cpu");
        text.WriteLine($"self-test: values and gradients of every op on the CPU against double precision{(full ? "" : " (small cases; --full runs all)")}");
        List<OpResult> results = [];
        foreach (OpResult result in SelfTest.Run(cpu, full, stopping))
        {
            results.Add(result);
            text.WriteLine($"  {(result.Problems.Count == 0 ? "ok  " : "FAIL")}  {result.Op,-22} {result.Cases,3} cases  {Quantity.Short(result.Seconds)} s");
            foreach (string problem in result.Problems)
                text.WriteLine($"        {problem}");
        }
        bool passed = results.All(r => r.Problems.Count == 0);
        text.WriteLine(passed ? "all well" : "the self-test FAILED: results on this machine cannot be trusted; please report it with these lines");
        context.ReportJson(new
        {
            version = ProgramVersion.Text,
            machine,
            memory,
            uses = cpu.Name,
            devices = new object[]
            {
                new { name = cpu.Name, description = cpu.Description, threads = cpu.Pool.Threads, simd = CpuDevice.SimdLevel,
                    gflops_one_core = one, gflops = all, copy_gbs = copy, triad_gbs = triad },
            },
            unsupported = NoGpu,
            self_test = new { passed, full, ops = results },
        });
        return passed ? ExitCode.Done : ExitCode.Failed;
    }
}
