using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats;
using Marrow.Host.Progress;

namespace Marrow.Host.Machines;

/// <summary>What <c>marrow doctor</c> finds of one device, or of a kind of which there is none.</summary>
/// <param name="Name">"cpu", "opencl:0"; the kind alone where none was found.</param>
/// <param name="Description">What a person calls it.</param>
internal sealed record DeviceExamination(string Name, string Description)
{
    private const int Shown = 4;

    /// <summary>Why it is not used; null where it can be.</summary>
    public string? WhyNot { get; private set; }

    /// <summary>What the driver tells, and what was tried out where <see cref="Tried"/>; null on the CPU and where there is no device.</summary>
    public DeviceCapabilities? Capabilities { get; private set; }

    /// <summary>Whether the device was opened.</summary>
    public bool Tried { get; private set; }

    /// <summary>The CPU's speed; null elsewhere.</summary>
    public CpuSpeed? Cpu { get; private set; }

    /// <summary>What ended the examination early, or null.</summary>
    public string? Error { get; private set; }

    /// <summary>What the self-test found, op by op.</summary>
    public List<OpResult> Ops { get; } = [];

    /// <summary>Kernels that the driver compiled for the self-test.</summary>
    public int KernelsCompiled { get; private set; }

    /// <summary>Kernels that came from the cache.</summary>
    public int KernelsLoaded { get; private set; }

    /// <summary>Whether nothing is wrong with it.</summary>
    public bool Passed => Error is null && Ops.All(o => o.Problems.Count == 0);

    /// <summary>Looks at a device of the list; opens it where <paramref name="test"/> asks for the self-test. What goes wrong is told in the result.</summary>
    public static DeviceExamination Of(DeviceListing listing, DeviceOpener devices, DeviceChoice choice, bool test, bool full, TextWriter text, CancellationToken stopping)
    {
        var found = new DeviceExamination(listing.Name, listing.Description) { WhyNot = listing.WhyNot, Capabilities = listing.Capabilities };
        try
        {
            using Device? device = test ? devices.Open(listing, choice) : null;
            found.Look(device);
            found.Write(text);
            if (device is not null)
                found.Test(device, full, text, stopping);
        }
        catch (OperationCanceledException)
        {
            throw;
        }
#pragma warning disable CA1031 // a device that fails in any way must not hide the others
        catch (Exception error)
#pragma warning restore CA1031
        {
            found.Error = error is MarrowException ? error.Message : $"{error.Message} ({error.GetType().Name})";
            text.WriteLine($"  FAIL  {listing.Name}: {found.Error}");
        }
        return found;
    }

    private void Look(Device? device)
    {
        Tried = device is not null;
        Capabilities = (device as KernelDevice)?.Capabilities ?? Capabilities;
        if (device is not CpuDevice cpu)
            return;
        (double copy, double triad) = MemoryBandwidth.Measure(cpu.Pool);
        Cpu = new CpuSpeed(cpu.Pool.Threads, CpuDevice.SimdLevel, FmaPeak.OneCore(), FmaPeak.AllCores(cpu.Pool), copy, triad);
    }

    private void Write(TextWriter text)
    {
        text.WriteLine();
        text.WriteLine($"{Name}  {Description}");
        if (WhyNot is not null)
            text.WriteLine($"  not used: {WhyNot}");
        if (Cpu is { } cpu)
        {
            text.WriteLine(FormattableString.Invariant($"  {cpu.Threads} threads, {cpu.Simd}"));
            text.WriteLine($"  {Quantity.Short(cpu.Gflops)} GFLOP/s fp32 at most ({Quantity.Short(cpu.GflopsOneCore)} on one core), "
                + $"memory {Quantity.Short(cpu.CopyGbs)} GB/s copy, {Quantity.Short(cpu.TriadGbs)} GB/s triad (measured now)");
        }
        if (Capabilities is not { } can)
            return;
        text.WriteLine($"  driver {can.Driver}{(can.IsCpu ? "; runs on the processor, and is taken only when it is named" : "")}");
        text.WriteLine(FormattableString.Invariant($"  memory {Quantity.Bytes(can.MemoryBytes)}, at most {Quantity.Bytes(can.MaxBufferBytes)} in one buffer; {can.ComputeUnits} compute units, ")
            + FormattableString.Invariant($"groups of up to {can.MaxLanes} lanes that share {Quantity.Bytes(can.SharedBytes)}"));
        if (Tried)
            text.WriteLine($"  sub-groups {Word(can.Subgroups)}, tensor cores {Word(can.MatrixUnits)}, fp16 arithmetic {Word(can.Fp16)}, fp64 {Word(can.Fp64)} (tried out)");
    }

    private void Test(Device device, bool full, TextWriter text, CancellationToken stopping)
    {
        text.WriteLine($"  self-test: values and gradients of every op against double precision{(full ? "" : " (small cases; --full runs all)")}");
        foreach (OpResult result in SelfTest.Run(device, full, stopping))
        {
            Ops.Add(result);
            text.WriteLine($"  {(result.Problems.Count == 0 ? "ok  " : "FAIL")}  {result.Op,-22} {result.Cases,3} cases  {Quantity.Short(result.Seconds)} s");
            foreach (string problem in result.Problems.Take(Shown))
                text.WriteLine($"        {problem}");
            if (result.Problems.Count > Shown)
                text.WriteLine(FormattableString.Invariant($"        and {result.Problems.Count - Shown} more (--json shows them)"));
        }
        if (device is KernelDevice kernels)
        {
            (KernelsCompiled, KernelsLoaded) = (kernels.Compiled, kernels.Loaded);
            text.WriteLine(FormattableString.Invariant($"  kernels: {KernelsCompiled} compiled, {KernelsLoaded} from the cache"));
        }
    }

    private static string Word(bool can) => can ? "yes" : "no";
}

/// <summary>What the processor does at best, measured now.</summary>
/// <param name="Threads">Threads used.</param>
/// <param name="Simd">Widest vectors in use.</param>
/// <param name="GflopsOneCore">GFLOP/s in fp32 on one core.</param>
/// <param name="Gflops">GFLOP/s in fp32 on all.</param>
/// <param name="CopyGbs">GB/s of memory when copying.</param>
/// <param name="TriadGbs">GB/s of memory when adding a multiple of one array to another.</param>
internal sealed record CpuSpeed(int Threads, string Simd, double GflopsOneCore, double Gflops, double CopyGbs, double TriadGbs);
