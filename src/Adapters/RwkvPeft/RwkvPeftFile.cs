using System.Globalization;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Targets;
using Marrow.Engine;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.PyTorch;

namespace Marrow.Adapters.RwkvPeft;

/// <summary>
/// A file as RWKV-PEFT writes it: LoRA, Bone ("disha", earlier "bone"), Bat tied by inputs, trained initial states, and tensors that take the place of
/// the model's own, all under the official names of RWKV's modules (spec/adapters.md §5, spec/formats.md §6.5). The method follows from names and shapes.
/// </summary>
public sealed class RwkvPeftFile : AdapterFiles
{
    private readonly RwkvPeftContents _contents;
    private readonly double? _alpha;
    private readonly List<string> _warnings;

    private RwkvPeftFile(ModelWeights file, double? alpha)
        : base(file.Tensors.Path, file.Tensors)
    {
        (_contents, _alpha, _warnings) = (new RwkvPeftContents(file.Tensors), alpha, [.. file.Warnings]);
        if (alpha is not null && !_contents.IsLora)
            throw new ModelFileException("RP006", file.Tensors.Path, "holds no LoRA factors, which alone have a lora_alpha; leave it out");
        Config = _contents.Config(alpha, layer => layer);
    }

    /// <inheritdoc/>
    public override AdapterConfig Config { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Warnings => _warnings;

    /// <summary>Whether Bat's blocks could be tied by inputs or by outputs as far as the file tells; the model's layers decide.</summary>
    public bool IsBat => _contents.IsBat;

    /// <summary>The tensors of blocks by the official paths of their layers.</summary>
    internal IReadOnlyDictionary<string, TensorInfo> Blocks => _contents.Blocks;

    /// <summary>Whether the scale of LoRA is open: it is not in the file and was not given.</summary>
    public bool LacksAlpha => _contents.IsLora && _alpha is null;

    /// <summary>Whether these are the tensors of such a file, and not of a model, which may have trained states too.</summary>
    public static bool IsPresent(ITensorSource tensors) => RwkvPeftContents.IsPresent(tensors.Tensors.Keys);

    /// <summary>Opens a .pth file, or a .safetensors file with the same names. LoRA can be put on a model only with the <paramref name="loraAlpha"/> it was trained with.</summary>
    /// <exception cref="ModelFileException">
    /// RP001 no adapter; RP002 a kind of file that is not read; RP003 PiSSA; RP004 two methods; RP005 shapes; RP006 alpha for another method; otherwise as the reader of its kind.
    /// </exception>
    public static new RwkvPeftFile Open(string path, double? loraAlpha = null)
    {
        if (!RwkvPeftContents.Endings.Contains(System.IO.Path.GetExtension(path).ToLowerInvariant()))
            throw new ModelFileException("RP002", path, "is no adapter that can be read; give a PEFT folder, or an RWKV-PEFT .pth file");
        ModelWeights weights = ModelWeights.OfFile(path);
        try
        {
            return new RwkvPeftFile(weights, loraAlpha);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Writes the trained values in fp32 under RWKV-PEFT's names. LoRA's scale is not in such a file.</summary>
    /// <exception cref="MarrowException">AD013 RWKV-PEFT has no such adapter; IO008, IO009 the file cannot be written.</exception>
    public static void Write(string path, AdaptedModel adapted)
    {
        RequireWritable(adapted);
        // In the order of the parameters.
        IEnumerable<string> names =
        [
            .. adapted.Adapters.SelectMany(a => a.Tensors.Select(t => $"{ModuleNames.OfficialPath(a.Layer)}.{(t.Name == MissKeys.Tensor ? BatRowConfig.Tensor : t.Name.Split('.')[0])}")),
            .. adapted.Saved.Select(s => s.Weight.Name), .. adapted.States.Select(s => s.State.Name),
        ];
        PthWriter.Write(path, [.. names.Zip(adapted.Parameters.Parameters, (name, p) => TensorFiles.ToWrite(name, p.Value, 0, p.Value.Shape))]);
    }

    /// <summary>Checks that RWKV-PEFT has such an adapter.</summary>
    /// <exception cref="MarrowException">AD013 it has not.</exception>
    public static void RequireWritable(AdaptedModel adapted)
    {
        string? reason = adapted.Config switch
        {
            _ when adapted.Model is not Rwkv => $"holds adapters of RWKV models, and this is a {adapted.Model.ModelType} model",
            DoraConfig => "has no place for DoRA's magnitudes",
            LoraConfig { UseRslora: true } => "knows LoRA's scale only as alpha / r, and use_rslora divides by the root of r",
            LoraConfig { AlphaPattern.Entries.Count: > 0 } => "has one lora_alpha for all layers, and alpha_pattern gives several",
            LoraConfig or BatRowConfig or StateConfig => null,
            BatConfig => "ties Bat by blocks of inputs, and method bat ties it by blocks of outputs; use method bat_row",
            MissMiniConfig => "has no mini blocks",
            MissConfig => null,
            _ => $"has no method {adapted.Config.Method.Name}",
        };
        if (reason is not null)
            throw new MarrowException("AD013", $"An RWKV-PEFT file cannot hold this adapter: RWKV-PEFT {reason}. Write a PEFT folder (output.adapter_format: peft). [AD013]");
    }

    /// <summary>What should be known about a file that is written of this adapter; null for most.</summary>
    public static string? Remark(AdaptedModel adapted) => adapted.Config is LoraConfig lora
        ? string.Create(CultureInfo.InvariantCulture, $"an RWKV-PEFT file does not hold lora_alpha: give {lora.LoraAlpha} again wherever it is used (--adapter-alpha, adapter.lora_alpha)") : null;

    /// <inheritdoc/>
    internal override AdapterConfig ConfigFor(CausalModel model)
    {
        if (model is not Rwkv)
            throw new ModelFileException("RP007", Path, $"is an adapter of an RWKV model, and this is a {model.ModelType} model; give the model that it was trained on");
        if (LacksAlpha)
            throw new ModelFileException("RP006", Path, "holds LoRA factors without their scale, as RWKV-PEFT writes them; give the lora_alpha that it was trained with (--adapter-alpha, or adapter.lora_alpha in a job)");
        HashSet<string> weights = [.. model.Weights.Select(w => w.Name)];
        string[] unknown = [.. _contents.Saved.Where(n => !weights.Contains(n))];
        if (unknown.Length > 0)
            throw new ModelFileException("RP007", Path, $"'{Echo.Name(unknown[0])}'{(unknown.Length > 1 ? $" and {unknown.Length - 1} more tensors are" : " is")} neither an adapter's nor a weight of this "
                + $"{model.ModelType} model{NearNames.Hint(unknown[0], weights)}; give the model that it was trained on");
        if (_contents.Layers.Select(l => l + ".weight").FirstOrDefault(_contents.Saved.Contains) is { } both)
            throw new ModelFileException("RP008", Path, $"adapts a layer and holds its weight '{Echo.Name(both)}' too; only one of them can be meant");
        Dictionary<string, string> paths = Paths(model);
        AdapterConfig config = _contents.Config(_alpha, layer => paths.GetValueOrDefault(layer, layer));
        return _contents.IsBat && IsTiedByOutputs(model) ? new BatConfig { R = config.R, TrainStates = config.TrainStates, TaskType = config.TaskType, Targets = config.Targets } : config;
    }

    /// <inheritdoc/>
    protected override Func<string, string> KeysFor(CausalModel model, IReadOnlySet<string> stems)
    {
        Dictionary<string, string> paths = Paths(model), weights = model.Weights.ToDictionary(w => w.Name, w => ModuleNames.NameOf(model, w));
        string block = stems.Contains(MissKeys.Tensor) ? MissKeys.Tensor : BatRowConfig.Tensor;
        return name =>
        {
            string plain = RwkvPeftContents.Plain(name);
            int dot = plain.LastIndexOf('.');
            string layer = dot < 0 ? "" : paths.GetValueOrDefault(plain[..dot], plain[..dot]), last = plain[(dot + 1)..];
            return PeftKeys.Prefix + (last switch
            {
                "lora_A" or "lora_B" => $"{layer}.{last}.weight",
                "disha" or "bone" => $"{layer}.{block}",
                _ => weights.GetValueOrDefault(plain, plain),
            });
        };
    }

    // The layers' paths in the model by their official ones: a Hugging Face model may call them otherwise.
    private static Dictionary<string, string> Paths(CausalModel model) => model.Linears.ToDictionary(ModuleNames.OfficialPath, l => l.Path);

    // RWKV-PEFT's present form delegates to PEFT, whose blocks belong to outputs. Square layers cannot tell.
    private bool IsTiedByOutputs(CausalModel model)
    {
        bool byInputs = true, byOutputs = true;
        foreach ((string path, TensorInfo block) in _contents.Blocks)
        {
            if (model.Linears.FirstOrDefault(l => ModuleNames.OfficialPath(l) == path) is not { } layer)
                continue;
            long channels = block.Shape[0] * Config.R;
            (byInputs, byOutputs) = (byInputs && channels == layer.Inputs, byOutputs && channels == layer.Outputs);
            if (!byInputs && !byOutputs)
                throw new ModelFileException("RP009", Path, $"tensor '{Echo.Name(block.Name)}' {block.ShapeText} fits neither the inputs nor the outputs of {layer.Path} {layer.Weight.Value} as the other layers do; "
                    + "is the model the adapter's base?");
        }
        if (byInputs && byOutputs)
            _warnings.Add($"{Path}: the adapted layers are square, so the shapes do not say how Bat's blocks are tied; they are read as RWKV-PEFT's, by inputs");
        return !byInputs;
    }
}
