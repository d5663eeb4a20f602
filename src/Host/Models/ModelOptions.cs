using System.CommandLine;

namespace Marrow.Host.Models;

/// <summary>The options by which commands name a model.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string> model = new("--model") { Description = "The base model: a Hugging Face folder", Required = true, HelpName = "folder" };
    private readonly Option<string?> adapter = new("--adapter") { Description = "A PEFT adapter folder to use with it", HelpName = "folder" };
    private readonly Option<string> dtype = new("--dtype") { Description = "Type of the base weights in memory", DefaultValueFactory = _ => "auto" };
    private readonly Option<string> activations = new("--activations")
    {
        Description = "Type of activations; auto is bf16 on a GPU where the weights are bf16, else fp32",
        DefaultValueFactory = _ => "auto",
    };
    private readonly DeviceOptionSet device;

    /// <summary>Adds the options to a command.</summary>
    public ModelOptions(Command command, bool adapterRequired = false)
    {
        dtype.AcceptOnlyFromAmong("auto", "fp32", "bf16");
        activations.AcceptOnlyFromAmong("auto", "fp32", "bf16");
        adapter.Required = adapterRequired;
        foreach (Option option in new Option[] { model, adapter, dtype, activations })
            command.Options.Add(option);
        device = DeviceOptionSet.All(command);
    }

    /// <summary>What was chosen.</summary>
    public ModelChoice Read(ParseResult parse) =>
        new(parse.GetRequiredValue(model), device.Read(parse), parse.GetValue(adapter), parse.GetValue(dtype)!, parse.GetValue(activations)!);
}
