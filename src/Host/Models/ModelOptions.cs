using System.CommandLine;

namespace Marrow.Host.Models;

/// <summary>The options by which commands name a model.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string> model = new("--model") { Description = "The base model: a Hugging Face folder", Required = true, HelpName = "folder" };
    private readonly Option<string?> adapter = new("--adapter") { Description = "A PEFT adapter folder to use with it", HelpName = "folder" };
    private readonly Option<string> dtype = new("--dtype") { Description = "Type of the base weights in memory", DefaultValueFactory = _ => "auto" };
    private readonly Option<string> device = new("--device") { Description = "Where to compute: auto or cpu", DefaultValueFactory = _ => "auto" };
    private readonly Option<int?> threads = new("--threads") { Description = "Threads on the CPU (all cores where not given)" };

    /// <summary>Adds the options to a command.</summary>
    public ModelOptions(Command command, bool adapterRequired = false)
    {
        dtype.AcceptOnlyFromAmong("auto", "fp32", "bf16");
        threads.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 1 or > 1024)
                result.AddError("--threads must be between 1 and 1024.");
        });
        adapter.Required = adapterRequired;
        foreach (Option option in new Option[] { model, adapter, dtype, device, threads })
            command.Options.Add(option);
    }

    /// <summary>What was chosen.</summary>
    public ModelChoice Read(ParseResult parse) => new(parse.GetRequiredValue(model), parse.GetValue(adapter), parse.GetValue(dtype)!, parse.GetValue(device)!, parse.GetValue(threads));
}
