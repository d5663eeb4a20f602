using System.CommandLine;

namespace Marrow.Host.Machines;

/// <summary>The options by which commands name where to compute.</summary>
internal sealed class ComputeOptions
{
    private readonly Option<string> device = new("--device") { Description = "Where to compute: auto, cpu, opencl[:n] or cuda[:n]", DefaultValueFactory = _ => "auto", HelpName = "device" };
    private readonly Option<string> activations = new("--activations") { Description = "Type of activations in memory: auto, fp32 or bf16", DefaultValueFactory = _ => "auto" };
    private readonly Option<int?> threads = new("--threads") { Description = "Threads on the CPU (all cores where not given)" };
    private readonly Option<double?> memory = new("--device-memory") { Description = "Most GiB of memory to take from a GPU (all it has where not given)", HelpName = "GiB" };
    private readonly Option<string?> dump = DumpKernels();

    /// <summary>Makes the options, with their checks.</summary>
    public ComputeOptions()
    {
        activations.AcceptOnlyFromAmong("auto", "fp32", "bf16");
        threads.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 1 or > 1024)
                result.AddError("--threads must be between 1 and 1024.");
        });
        memory.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is <= 0 or double.NaN)
                result.AddError("--device-memory must be above 0.");
        });
    }

    /// <summary>The options, to be added to a command.</summary>
    public IEnumerable<Option> All => [device, activations, threads, memory, dump];

    /// <summary>The option that shows kernels' texts.</summary>
    public static Option<string?> DumpKernels() => new("--dump-kernels") { Description = "Write the text of every kernel used into this folder", HelpName = "folder" };

    /// <summary>What was chosen.</summary>
    public ComputeChoice Read(ParseResult parse) =>
        new(parse.GetValue(device)!, parse.GetValue(activations)!, parse.GetValue(threads), parse.GetValue(memory), parse.GetValue(dump));
}
