using System.Globalization;
using Marrow.Adapters.Targets;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Peft;

/// <summary>
/// A PEFT adapter folder: its configuration, and its tensors, opened but not read (spec/adapters.md §4.1). What PEFT does not know (state tuning, Bat tied
/// by inputs) lies in folders of the same form with a peft_type that PEFT refuses.
/// </summary>
public sealed class PeftFolder : AdapterFiles
{
    /// <summary>The name of the file of tensors.</summary>
    public const string TensorFile = "adapter_model.safetensors";

    // What PEFT wrote before safetensors, and still writes when it is told to.
    internal const string OldTensorFile = "adapter_model.bin";

    private PeftFolder(string path, ModelWeights weights)
        : base(path, weights.Tensors)
    {
        var document = new PeftDocument(ReadConfig(path), weights.Tensors);
        Config = PeftConfig.Read(document);
        Warnings = [.. weights.Warnings, .. document.Warnings];
    }

    /// <inheritdoc/>
    public override AdapterConfig Config { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Warnings { get; }

    /// <summary>Opens a folder.</summary>
    /// <exception cref="MarrowException">
    /// PF001 not an adapter's folder; PF002 … PF005, PF010 the configuration; PF009 no tensors; otherwise as <see cref="ModelWeights.OfFile"/>.
    /// </exception>
    public static PeftFolder Open(string path)
    {
        ModelWeights weights = OpenTensors(path);
        try
        {
            return new PeftFolder(path, weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>The keys of a folder's adapter_config.json, be it PEFT's or mlx-lm's.</summary>
    /// <exception cref="ModelFileException">PF002 it is no JSON object, or PF003 a value of another type is asked for; IO001 … IO005 it cannot be read.</exception>
    public static JsonFields ReadConfig(string path)
    {
        string config = System.IO.Path.Combine(path, PeftConfig.FileName);
        return JsonFields.Parse(config, InputFile.ReadAll(config), "PF002", "PF003");
    }

    /// <summary>Opens the tensors of a folder that holds a configuration too; safetensors go first, as in PEFT.</summary>
    /// <exception cref="ModelFileException">PF001, PF009.</exception>
    internal static ModelWeights OpenTensors(string path)
    {
        if (!Directory.Exists(path))
            throw new ModelFileException("PF001", Echo.Name(path), "there is no such folder or file; check the path of the adapter");
        if (!File.Exists(System.IO.Path.Combine(path, PeftConfig.FileName)))
            throw new ModelFileException("PF001", path, $"holds no {PeftConfig.FileName}"
                + (File.Exists(System.IO.Path.Combine(path, "config.json")) ? "; this is a model's folder, give an adapter's" : "; give a PEFT adapter's folder"));
        string? tensors = new[] { TensorFile, OldTensorFile }.Select(name => System.IO.Path.Combine(path, name)).FirstOrDefault(File.Exists);
        return tensors is not null ? ModelWeights.OfFile(tensors)
            : throw new ModelFileException("PF009", path, $"holds no {TensorFile} (nor {OldTensorFile}); fetch it from where the adapter came from");
    }

    /// <summary>Writes a folder that PEFT loads, or refuses where it does not know the method: configuration, fp32 tensors and a model card; it appears whole or not at all.</summary>
    /// <exception cref="MarrowException">AD013 the folder could not say what is trained; IO008, IO009 it cannot be written.</exception>
    public static void Write(string path, AdaptedModel adapted, string? baseModel = null)
    {
        RequireWritable(adapted);
        AdapterConfig config = adapted.Config;
        ModulePattern? targets = config.Targets.TargetModules;
        if (!config.AdaptsLayers)
            targets = null;
        else if (config.Targets.LayersToTransform is { Count: > 0 } && !TargetSelector.IsCountedByPeft(adapted.Layers))
            (config, targets) = (config with { Targets = config.Targets with { LayersToTransform = null, LayersPattern = null } }, new([.. adapted.Layers.Select(l => l.Path)]));
        else if (targets is not { IsAllLinear: false })
            targets = new(TargetSelector.NamesOf(adapted.Model, adapted.Layers));
        string text = PeftConfig.Write(config, targets, baseModel);
        AtomicFolder.Write(path, folder =>
        {
            AtomicFile.WriteText(System.IO.Path.Combine(folder, PeftConfig.FileName), text);
            SafetensorsWriter.Write(System.IO.Path.Combine(folder, TensorFile), adapted.Parameters.Parameters.Select(p => TensorFiles.ToWrite(p.Name, p.Value, 0, p.Value.Shape)));
            AtomicFile.WriteText(System.IO.Path.Combine(folder, "README.md"), Card(adapted, baseModel ?? config.BaseModel));
        });
    }

    /// <summary>Checks that a folder can hold all that is trained.</summary>
    /// <exception cref="MarrowException">AD013 PEFT would leave a part of it out.</exception>
    public static void RequireWritable(AdaptedModel adapted)
    {
        if (adapted.States.Count > 0 && adapted.Config.AdaptsLayers)
            throw new MarrowException("AD013", $"A PEFT folder cannot hold the recurrent states that are trained beside this {adapted.Config.Method.Name} adapter ({adapted.States[0].State.Name} …), "
                + "PEFT would leave them out; write an RWKV-PEFT file (output.adapter_format: rwkv-peft). [AD013]");
        // PEFT copies and loads modules whole.
        foreach (Weight weight in adapted.Saved.Select(s => s.Weight))
        {
            string path = ModuleNames.PathOf(adapted.Model, weight);
            if (!ModuleNames.HasModule(weight) || adapted.Model.Weights.Any(w => ModuleNames.PathOf(adapted.Model, w) == path && adapted.Saved.All(s => s.Weight != w)))
                throw new MarrowException("AD013", $"A PEFT folder holds modules trained whole, and '{weight.Name}' is no whole module; PEFT would leave it out. "
                    + "Write an RWKV-PEFT file (output.adapter_format: rwkv-peft), or leave it out of what is trained. [AD013]");
        }
    }

    /// <inheritdoc/>
    protected override Func<string, string> KeysFor(CausalModel model, IReadOnlySet<string> stems) => name => PeftKeys.Normalise(name, stems, Config.Method.FormerNames);

    private static string Card(AdaptedModel adapted, string? baseModel) => string.Create(CultureInfo.InvariantCulture, $"""
        ---
        {(baseModel is null ? "" : $"base_model: {System.Text.Json.JsonSerializer.Serialize(baseModel)}\n")}library_name: {(adapted.Config.Method.IsOwn ? "marrow" : "peft")}
        tags:
        - {adapted.Config.Method.Name}
        ---

        # {adapted.Config.Method.Name} adapter

        {(adapted.Config.AdaptsLayers ? $"{adapted.Layers.Count} linear layers of a {adapted.Model.ModelType} model, r = {adapted.Config.R}"
            : $"The states that {adapted.States.Count} recurrent layers of a {adapted.Model.ModelType} model start from")}, {adapted.Parameters.Count} trained values, fp32.
        Made by Marrow; {(adapted.Config.Method.IsOwn ? "PEFT has no such method and refuses this folder." : "loads with PEFT 0.17 or newer.")}

        """);
}
