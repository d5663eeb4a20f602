using System.CommandLine;
using Marrow.Formats;

namespace Marrow.Host.Models;

/// <summary>The options by which commands name a model.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string> model = new("--model") { Description = "The base model: a Hugging Face folder, a .gguf file, or of an RWKV model its .pth or .safetensors file or the folder of it", Required = true, HelpName = "path" };
    private readonly Option<string?> adapter = new("--adapter") { Description = "An adapter to use with it: a PEFT or mlx folder, a .gguf or kohya file of LoRA, or an RWKV-PEFT file (.pth or .safetensors), states too", HelpName = "path" };
    private readonly Option<double?> alpha = new("--adapter-alpha") { Description = "lora_alpha of an RWKV-PEFT LoRA file, which does not hold it", HelpName = "number" };
    private readonly Option<string> dtype = new("--dtype") { Description = "Type of the base weights in memory; auto keeps what the file has, nf4, q8_0 and q4_k quantise the linear layers", DefaultValueFactory = _ => "auto" };
    private readonly Option<string> activations = new("--activations")
    {
        Description = "Type of activations; auto is bf16 on a GPU where the weights are bf16, else fp32",
        DefaultValueFactory = _ => "auto",
    };
    private readonly DeviceOptionSet device;

    /// <summary>Adds the options to a command.</summary>
    public ModelOptions(Command command, bool adapterRequired = false)
    {
        dtype.AcceptOnlyFromAmong("auto", "fp32", "bf16", "nf4", "q8_0", "q4_k");
        activations.AcceptOnlyFromAmong("auto", "fp32", "bf16");
        adapter.Required = adapterRequired;
        foreach (Option option in new Option[] { model, adapter, alpha, dtype, activations })
            command.Options.Add(option);
        device = DeviceOptionSet.All(command);
    }

    /// <summary>What was chosen.</summary>
    /// <exception cref="MarrowException">MP005: an alpha for no adapter, or that is no number.</exception>
    public ModelChoice Read(ParseResult parse)
    {
        double? given = parse.GetValue(alpha);
        if (given is { } value && (parse.GetValue(adapter) is null || !double.IsFinite(value)))
            throw new MarrowException("MP005", "--adapter-alpha is the lora_alpha, a finite number, of the file that --adapter names; give both, or leave it out");
        return new(parse.GetRequiredValue(model), device.Read(parse), parse.GetValue(adapter), parse.GetValue(dtype)!, parse.GetValue(activations)!, given);
    }
}
