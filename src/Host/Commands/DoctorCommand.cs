using System.CommandLine;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;
using Marrow.Host.Progress;

namespace Marrow.Host.Commands;

/// <summary><c>marrow doctor</c>: what this machine has, what will be used, and whether it computes rightly.</summary>
internal static class DoctorCommand
{
    public static CliCommand Create()
    {
        var full = new Option<bool>("--full") { Description = "Run every case of the self-test, the large ones too" };
        var device = new Option<string?>("--device") { Description = "Test this device only (all where not given)", HelpName = "device" };
        Option<string?> dump = ComputeOptions.DumpKernels();
        var command = new Command("doctor", "Show what this machine has, what will be used, and whether it computes rightly") { full, device, dump };
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
            Task.FromResult(Examine(context, parse.GetValue(full), parse.GetValue(device), parse.GetValue(dump), stopping))));
        return new CliCommand(command, "marrow doctor", "marrow doctor --full --device opencl", "marrow doctor --json");
    }

    private static int Examine(CommandContext context, bool full, string? only, string? dump, CancellationToken stopping)
    {
        string? chosen = only is null ? null : new ComputeChoice(only).Find().Name;
        var machine = MachineInfo.Read();
        var memory = MachineMemory.Read();
        TextWriter text = context.Json ? TextWriter.Null : context.Output;
        text.WriteLine($"marrow   {ProgramVersion.Text}");
        text.WriteLine($"system   {machine.System} ({machine.Architecture}), {machine.Runtime}");
        text.WriteLine($"memory   {Quantity.Bytes(memory.TotalBytes)}, {Quantity.Bytes(memory.FreeBytes)} free");
        text.WriteLine($"cache    {CacheFolder.Path}");
        text.WriteLine("devices");
        IReadOnlyList<DeviceListing> all = ComputeChoice.List();
        var found = all.Select(l => Look(text, l, machine)).ToList();
        string uses = new ComputeChoice().Find().Name;
        text.WriteLine($"uses     {uses}");
        text.WriteLine($"self-test: values and gradients of every op against double precision{(full ? "" : " (small cases; --full runs all)")}");
        List<object> tests = [];
        bool passed = true;
        foreach (DeviceListing listing in all.Where(l => l.Open is not null && (chosen is null || l.Name == chosen)))
        {
            (bool well, object report) = Test(text, listing, full, dump, context.Warn, stopping);
            passed &= well;
            tests.Add(report);
        }
        text.WriteLine(passed ? "all well" : "the self-test FAILED: results of the devices named cannot be trusted; please report it with these lines");
        context.ReportJson(new { version = ProgramVersion.Text, machine, memory, cache = CacheFolder.Path, uses, devices = found, self_test = new { passed, full, devices = tests } });
        return passed ? ExitCode.Done : ExitCode.Failed;
    }

    /// <summary>What a device can do, or why it is not used.</summary>
    private static object Look(TextWriter text, DeviceListing listing, MachineInfo machine)
    {
        if (listing.WhyNot is { } why)
        {
            text.WriteLine($"  {listing.Name,-9} not used: {why}");
            return new { listing.Name, listing.Description, WhyNot = why };
        }
        if (listing.Capabilities is not { } can)
            return LookAtCpu(text, machine);
        // What only a trial tells is known of the opened device.
        try
        {
            using var device = (KernelDevice)new ComputeChoice(listing.Name).Open(_ => { });
            can = device.Capabilities;
        }
        catch (MarrowException e)
        {
            text.WriteLine($"  {listing.Name,-9} {listing.Description}: does not open: {e.Message}");
            return new { listing.Name, listing.Description, WhyNot = e.Message };
        }
        text.WriteLine($"  {listing.Name,-9} {listing.Description}{(can.IsCpu ? " (a processor: taken only when it is named)" : "")}");
        text.WriteLine($"            driver {can.Driver}; memory {Quantity.Bytes(can.MemoryBytes)}, largest buffer {Quantity.Bytes(can.MaxBufferBytes)}; {can.ComputeUnits} units, "
            + $"groups of up to {can.MaxLanes} lanes with {Quantity.Bytes(can.SharedBytes)} to share");
        text.WriteLine($"            {Has(can.Subgroups, "sub-groups")}, {Has(can.MatrixUnits, "tensor cores for bf16")}, {Has(can.Fp16, "fp16 arithmetic")}, {Has(can.Fp64, "fp64")} (fp16 arithmetic and fp64 are not needed)");
        return new { listing.Name, listing.Description, Capabilities = can };
    }

    private static object LookAtCpu(TextWriter text, MachineInfo machine)
    {
        using var cpu = new CpuDevice();
        double one = FmaPeak.OneCore(), peak = FmaPeak.AllCores(cpu.Pool);
        (double copy, double triad) = MemoryBandwidth.Measure(cpu.Pool);
        text.WriteLine($"  cpu       {machine.Cpu}, {cpu.Pool.Threads} threads, {CpuDevice.SimdLevel}");
        text.WriteLine($"            {Quantity.Short(peak)} GFLOP/s fp32 at most ({Quantity.Short(one)} on one core), "
            + $"memory {Quantity.Short(copy)} GB/s copy, {Quantity.Short(triad)} GB/s triad (measured now)");
        return new
        {
            cpu.Name, cpu.Description, threads = cpu.Pool.Threads, simd = CpuDevice.SimdLevel, gflops_one_core = one, gflops = peak, copy_gbs = copy, triad_gbs = triad,
        };
    }

    private static string Has(bool can, string what) => can ? what : $"no {what}";

    /// <summary>Runs the self-test on one device; a device that breaks down fails it, and the others go on.</summary>
    private static (bool Passed, object Report) Test(TextWriter text, DeviceListing listing, bool full, string? dump, Action<string> notice, CancellationToken stopping)
    {
        text.WriteLine($"  on {listing.Name}");
        List<OpResult> results = [];
        string? broken = null;
        int compiled = 0, loaded = 0;
        try
        {
            using Device device = new ComputeChoice(listing.Name, DumpKernels: dump).Open(notice);
            foreach (OpResult result in SelfTest.Run(device, full, stopping))
            {
                results.Add(result);
                text.WriteLine($"    {(result.Problems.Count == 0 ? "ok  " : "FAIL")}  {result.Op,-22} {result.Cases,3} cases  {Quantity.Short(result.Seconds)} s");
                foreach (string problem in result.Problems)
                    text.WriteLine($"          {problem}");
            }
            if (device is KernelDevice gpu)
            {
                (compiled, loaded) = (gpu.Compiled, gpu.Loaded);
                text.WriteLine($"    {gpu.Launches:N0} launches; kernels: {compiled} compiled, {loaded} from the cache");
            }
        }
        catch (MarrowException e)
        {
            broken = e.Message;
            text.WriteLine($"    FAIL  {e.Message}");
        }
        bool passed = broken is null && results.All(r => r.Problems.Count == 0);
        return (passed, new { listing.Name, passed, error = broken, kernels_compiled = compiled, kernels_loaded = loaded, ops = results });
    }
}
