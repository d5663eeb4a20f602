using System.CommandLine;
using Marrow.Adapters.Converting;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Host.CommandLine;
using Marrow.Host.Converting;

namespace Marrow.Host.Commands;

/// <summary><c>marrow convert IN OUT</c>: model and adapter files between kinds.</summary>
internal static class ConvertCommand
{
    public static CliCommand Create()
    {
        string[] adapters = [.. AdapterKinds.All.Select(k => k.Name)];
        var from = new Argument<string>("IN") { Description = "A model or an adapter, file or folder; its kind is told by its content" };
        var to = new Argument<string>("OUT") { Description = "The file or folder to write" };
        var kind = new Option<string?>("--to")
        {
            Description = $"Kind of OUT, which otherwise follows from its name: {string.Join(", ", ModelConverter.Kinds)} for models, {string.Join(", ", adapters)} for adapters", HelpName = "kind",
        };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace OUT where it exists, of a split model every part" };
        kind.AcceptOnlyFromAmong([.. ModelConverter.Kinds, .. adapters]);
        var command = new Command("convert", "Convert a model or an adapter into another kind of file") { from, to, kind, overwrite };
        var models = new ModelConverter(command);
        var changes = new AdapterConverter(command);
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
        {
            string source = parse.GetRequiredValue(from), target = parse.GetRequiredValue(to);
            string? wanted = parse.GetValue(kind);
            bool isAdapter = AdapterKinds.IsAdapter(source), toAdapter = wanted is null ? isAdapter : adapters.Contains(wanted);
            // What is given and would be passed over is a mistake.
            if (parse.FirstGiven(toAdapter ? models.Options : changes.Options) is { } idle)
                throw new MarrowException("CL010", $"{idle.Name} is about {(toAdapter ? "models" : "adapters")}, and {Echo.Name(target, 300)} is to be {(toAdapter ? "an adapter" : "a model")}; leave it out");
            if (isAdapter && !toAdapter)
                throw new MarrowException("CL011", $"{Echo.Name(source, 300)} is an adapter, which alone is no model; merge it into its base: marrow merge --model BASE --adapter {Echo.Name(source, 300)} --out {Echo.Name(target, 300)}");
            if (toAdapter)
                changes.Run(parse, context, source, target, wanted, isAdapter, parse.GetValue(overwrite), stopping);
            else
                models.Run(parse, context, source, target, wanted is null ? ModelConverter.KindOf(target) : (ModelKind)Array.IndexOf(ModelConverter.Kinds, wanted), parse.GetValue(overwrite), stopping);
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow convert models/llama models/llama.gguf", "marrow convert models/llama models/llama-q4.gguf --store-as q4_k_m --verify",
            "marrow convert models/llama-q8.gguf models/llama --store-as bf16", "marrow convert runs/first/adapter first.gguf --model models/llama",
            "marrow convert lora.pth lora --to peft --adapter-alpha 32 --model models/rwkv7.pth", "marrow convert a.gguf both --to peft --add b.gguf=0.5 --model models/llama",
            "marrow convert models/tuned tuned-lora --to peft --model models/llama --approximate --rank 32");
    }
}
