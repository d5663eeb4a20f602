using System.Text.Json.Nodes;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Targets;
using Marrow.Formats;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Converting;

/// <summary>PEFT folders, with everything that PEFT keeps in them, and Marrow's own methods in folders of the same form (spec/formats.md §6.4).</summary>
public sealed class PeftKind : AdapterKind
{
    /// <inheritdoc/>
    public override string Name => "peft";

    /// <inheritdoc/>
    public override string Description => "PEFT folder (adapter_model.safetensors or .bin)";

    /// <inheritdoc/>
    public override string? Ending => null;

    /// <inheritdoc/>
    public override bool KeepsScales => true;

    /// <inheritdoc/>
    public override ScaleForm Scales => ScaleForm.EachLayer;

    /// <inheritdoc/>
    public override bool Recognises(string path) => Directory.Exists(path);

    /// <inheritdoc/>
    public override AdapterDocument Open(string path, double? alpha = null) => alpha is null ? PeftAdapterDocument.Open(this, path)
        : throw new ModelFileException("RP006", Echo.Name(path), "a folder says its lora_alpha itself; leave the given one out");

    /// <inheritdoc/>
    public override string? Refusal(AdaptedModule layer) => null;

    /// <inheritdoc/>
    public override string? Refusal(CarriedTensor tensor) => null;

    /// <inheritdoc/>
    public override void Write(string path, AdapterContents contents, AdapterWriting writing)
    {
        if (contents.Layers.Count > 0 && contents.Carried.FirstOrDefault(c => c.Kind == CarriedKind.State) is { } state)
            throw new MarrowException("AC005", $"A peft folder cannot hold recurrent states ('{Echo.Name(state.Name)}') beside an adapter of layers; write rwkv-peft. [AC005]");
        AdapterConfig config = Config(contents, writing.PathOf);
        HashSet<string> adapted = [.. contents.Layers.Select(l => l.Module)];
        string[] saved = [.. contents.Carried.Where(c => c.Kind == CarriedKind.Saved && !adapted.Contains(BaseWeights.ModuleOf(c.Name))).Select(c => SavedModule(c, contents, writing)).Distinct()];
        config = config with { Targets = config.Targets with { ModulesToSave = saved } };
        ModulePattern? targets = contents.Layers.Count == 0 ? null : new([.. TargetNames(contents, writing)]);
        string text = Text(config, targets, contents, adapted);
        AtomicFolder.Write(path, folder =>
        {
            AtomicFile.WriteText(Path.Combine(folder, PeftConfig.FileName), text);
            SafetensorsWriter.Write(Path.Combine(folder, PeftFolder.TensorFile), contents.Layers.SelectMany(l => TensorsOf(l, writing.PathOf(l.Module)))
                .Concat(contents.Carried.Select(c => TensorToWrite.Copy(c.Source, c.Tensor.Name, PeftKeys.Prefix + PathOf(c, adapted, writing)))));
        });
    }

    private static AdapterConfig Config(AdapterContents contents, Func<string, string> pathOf)
    {
        if (contents.Layers.Count == 0)
            return contents.Carried.Any(c => c.Kind == CarriedKind.State) ? new StateConfig() : throw new MarrowException("AC004", "The adapter changes no layer and holds no states; there is nothing a peft folder could say. [AC004]");
        if (contents.Layers.FirstOrDefault(l => l.GetType() != contents.Layers[0].GetType() || (l is BlockLayer b && (b.Form, b.Rank) != (((BlockLayer)contents.Layers[0]).Form, contents.Layers[0].Rank))) is { } other)
            throw new MarrowException("AC004", $"'{Echo.Name(contents.Layers[0].Module)}' has {contents.Layers[0].Method} and '{Echo.Name(other.Module)}' {other.Method}, or another block size; a peft folder has one for all layers. Convert to LoRA (--as-lora). [AC004]");
        if (contents.Layers[0] is BlockLayer block)
        {
            return block.Form switch
            {
                BlockForm.Balance => new MissConfig { R = block.Rank },
                BlockForm.Mini => new MissMiniConfig { R = block.Rank, MiniR = (int)block.Tensor.Shape[1] },
                BlockForm.BatByOutputs => new BatConfig { R = block.Rank },
                _ => new BatRowConfig { R = block.Rank },
            };
        }
        return LoraSettings.Of([.. contents.Layers.Cast<LowRankLayer>()], pathOf);
    }

    // What the engine's own settings do not say.
    private static string Text(AdapterConfig config, ModulePattern? targets, AdapterContents contents, HashSet<string> adapted)
    {
        JsonObject fields = JsonNode.Parse(PeftConfig.Write(config, targets, contents.BaseModel))!.AsObject();
        if (AllOrNone(contents, l => l.Magnitude is not null, "DoRA", "use_dora"))
            fields["use_dora"] = true;
        if (AllOrNone(contents, l => l.OutputBias is not null, "LoRA with a bias", "lora_bias"))
            fields["lora_bias"] = true;
        contents.Notes?.Write(fields);
        if (contents.Carried.Where(c => c.Kind == CarriedKind.Bias).ToArray() is { Length: > 0 } biases)
            fields["bias"] = contents.Layers is [LowRankLayer, ..] && biases.All(b => adapted.Contains(BaseWeights.ModuleOf(b.Name))) ? "lora_only" : "all";
        return PeftJson.Sorted(fields);
    }

    private static bool AllOrNone(AdapterContents contents, Func<LowRankLayer, bool> has, string what, string key)
    {
        LowRankLayer[] layers = [.. contents.Layers.OfType<LowRankLayer>()];
        if (layers.All(l => !has(l)))
            return false;
        return layers.FirstOrDefault(l => !has(l)) is not { } plain ? true : throw new MarrowException("AC004",
            $"'{Echo.Name(layers.First(has).Module)}' has {what} and '{Echo.Name(plain.Module)}' plain LoRA; a peft folder has {key} for all layers or none. Merge the adapter into the model instead (marrow merge). [AC004]");
    }

    // Endings where the base shows that they mean exactly these modules, else whole paths.
    private static IEnumerable<string> TargetNames(AdapterContents contents, AdapterWriting writing)
    {
        string[] paths = [.. contents.Layers.Select(l => writing.PathOf(l.Module))];
        if (writing.Base is not { } model)
            return paths;
        string[] endings = [.. paths.Select(p => p[(p.LastIndexOf('.') + 1)..]).Distinct()];
        int meant = model.Modules.Select(model.PathOf).Count(p => endings.Any(e => ModulePattern.IsAt(p, e)));
        return meant == paths.Length ? endings : paths;
    }

    // PEFT keeps modules whole, so a part of one could not be said.
    private static string SavedModule(CarriedTensor tensor, AdapterContents contents, AdapterWriting writing)
    {
        string module = BaseWeights.ModuleOf(tensor.Name);
        BaseWeights? model = writing.Base;
        bool whole = module != tensor.Name && model?.TensorsOf(module).All(t => contents.Carried.Any(c => c.Name == t)) != false;
        return whole ? writing.PathOf(module) : throw new MarrowException("AC005", $"'{Echo.Name(tensor.Name)}' was trained, and is no whole module; a peft folder keeps whole modules (modules_to_save) only. "
            + "Write rwkv-peft, or merge the adapter into the model. [AC005]");
    }

    // An adapted module of PEFT is a wrapper around the module itself.
    private static string PathOf(CarriedTensor tensor, HashSet<string> adapted, AdapterWriting writing)
    {
        string module = BaseWeights.ModuleOf(tensor.Name);
        return writing.PathOf(module) + (adapted.Contains(module) ? ".base_layer" : "") + tensor.Name[module.Length..];
    }

    private static IEnumerable<TensorToWrite> TensorsOf(AdaptedModule layer, string path)
    {
        if (layer is BlockLayer block)
            return [TensorToWrite.Copy(block.Source, block.Tensor.Name, PeftKeys.Of(path, block.Form == BlockForm.BatByInputs ? BatRowConfig.Tensor : MissKeys.Tensor))];
        var low = (LowRankLayer)layer;
        List<TensorToWrite> tensors =
        [
            low.A.ToWrite(PeftKeys.Of(path, low.IsEmbedding ? "lora_embedding_A" : "lora_A.weight")),
            low.B.ToWrite(PeftKeys.Of(path, low.IsEmbedding ? "lora_embedding_B" : "lora_B.weight")),
        ];
        if (low.Magnitude is { } m)
            tensors.Add(m.ToWrite(PeftKeys.Of(path, "lora_magnitude_vector"), [(long)m.Rows * m.Columns]));
        if (low.OutputBias is { } bias)
            tensors.Add(bias.ToWrite(PeftKeys.Of(path, "lora_B.bias"), [(long)bias.Rows * bias.Columns]));
        return tensors;
    }
}
