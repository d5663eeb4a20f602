using System.CommandLine;
using Marrow.Host.Machines;

namespace Marrow.Host.Models;

/// <summary>The options by which commands name a model.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string> model = new("--model") { Description = "The base model: a Hugging Face folder", Required = true, HelpName = "folder" };
    private readonly Option<string?> adapter = new("--adapter") { Description = "A PEFT adapter folder to use with it", HelpName = "folder" };
    private readonly Option<string> dtype = new("--dtype") { Description = "Type of the base weights in memory", DefaultValueFactory = _ => "auto" };
    private readonly ComputeOptions compute = new();

    /// <summary>Adds the options to a command.</summary>
    public ModelOptions(Command command, bool adapterRequired = false)
    {
        dtype.AcceptOnlyFromAmong("auto", "fp32", "bf16");
        adapter.Required = adapterRequired;
        foreach (Option option in new Option[] { model, adapter, dtype }.Concat(compute.All))
            command.Options.Add(option);
    }

    /// <summary>What was chosen.</summary>
    public ModelChoice Read(ParseResult parse) => new(parse.GetRequiredValue(model), parse.GetValue(adapter), parse.GetValue(dtype)!, compute.Read(parse));
}
