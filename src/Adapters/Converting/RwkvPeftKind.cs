using System.Globalization;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.RwkvPeft;
using Marrow.Formats;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Rwkv;

namespace Marrow.Adapters.Converting;

/// <summary>RWKV-PEFT's .pth files, under the official names of RWKV's modules and without LoRA's alpha (spec/formats.md §6.5).</summary>
public sealed class RwkvPeftKind : AdapterKind
{
    /// <inheritdoc/>
    public override string Name => "rwkv-peft";

    /// <inheritdoc/>
    public override string Description => ".pth file of RWKV-PEFT";

    /// <inheritdoc/>
    public override string? Ending => ".pth";

    /// <inheritdoc/>
    public override ScaleForm Scales => ScaleForm.OneAlpha;

    /// <inheritdoc/>
    public override bool Recognises(string path) => File.Exists(path) && RwkvPeftContents.Endings.Contains(Path.GetExtension(path).ToLowerInvariant());

    /// <inheritdoc/>
    public override AdapterDocument Open(string path, double? alpha = null) => new RwkvPeftDocument(this, RwkvPeftFile.Open(path, alpha), alpha);

    /// <inheritdoc/>
    public override string? Refusal(AdaptedModule layer) => layer switch
    {
        BlockLayer { Form: BlockForm.Balance or BlockForm.BatByInputs } => null,
        BlockLayer { Form: BlockForm.BatByOutputs } => "ties Bat by blocks of inputs, and these are tied by blocks of outputs",
        BlockLayer => "has no mini blocks",
        _ => base.Refusal(layer),
    };

    /// <inheritdoc/>
    public override string? Refusal(CarriedTensor tensor) => null;

    /// <inheritdoc/>
    public override void Write(string path, AdapterContents contents, AdapterWriting writing)
    {
        List<TensorToWrite> tensors = [];
        foreach (AdaptedModule layer in contents.Layers)
        {
            string module = Official(layer.Module);
            if (contents.Carried.FirstOrDefault(c => c.Name == module + ".weight") is { } both)
                throw new MarrowException("AC005", $"The adapter changes '{Echo.Name(module)}' and replaces its weight too ('{Echo.Name(both.Tensor.Name)}'); an rwkv-peft file can mean only one of them. Merge the adapter into the model instead (marrow merge), or write peft. [AC005]");
            if (layer is BlockLayer block)
            {
                tensors.Add(TensorToWrite.Copy(block.Source, block.Tensor.Name, $"{module}.{BatRowConfig.Tensor}"));
                continue;
            }
            var low = (LowRankLayer)layer;
            // RWKV-PEFT multiplies them as they are, and PyTorch no two types.
            bool alike = low.A.Type == low.B.Type;
            tensors.Add((alike ? low.A : low.A.Widened()).ToWrite(module + ".lora_A"));
            tensors.Add((alike ? low.B : low.B.Widened()).ToWrite(module + ".lora_B"));
        }
        tensors.AddRange(contents.Carried.Select(c => TensorToWrite.Copy(c.Source, c.Tensor.Name, c.Name)));
        PthWriter.Write(path, tensors);
        if (contents.Layers.Any(l => l is LowRankLayer))
            writing.Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"an RWKV-PEFT file does not hold lora_alpha: give {writing.Alpha} wherever it is used (--adapter-alpha, adapter.lora_alpha)"));
        if (!double.IsInteger(writing.Alpha))
            writing.Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"RWKV-PEFT's own merge script takes a whole lora_alpha only, and this one is {writing.Alpha}: for that, write the file with --alpha {Math.Max(1, Math.Round(writing.Alpha))}"));
    }

    private static string Official(string module)
    {
        string official = RwkvConfig.OfficialModule(module) ?? module;
        return official.StartsWith("blocks.", StringComparison.Ordinal) || official is "head" or "emb" ? official : throw new MarrowException("AC004",
            $"'{Echo.Name(module)}' is no module of an RWKV model, which alone have rwkv-peft files; write peft, gguf-lora, mlx or kohya. [AC004]");
    }
}

/// <summary>A file of RWKV-PEFT, opened for conversion.</summary>
internal sealed class RwkvPeftDocument : AdapterDocument
{
    private readonly RwkvPeftFile _file;
    private readonly double? _alpha;

    public RwkvPeftDocument(AdapterKind kind, RwkvPeftFile file, double? alpha)
        : base(kind, file.Path, file.Tensors)
    {
        (_file, _alpha) = (file, alpha);
        foreach (string warning in file.Warnings)
            Warnings.Add(warning);
    }

    /// <summary>The start of a PiSSA adapter was given: its scale is 1, whatever the rank.</summary>
    public bool IsPissa { get; set; }

    protected override AdapterContents Understand(BaseWeights? model)
    {
        if (_file.LacksAlpha && !IsPissa)
            throw Error("RP006", "holds LoRA factors without their scale, as RWKV-PEFT writes them; give the lora_alpha that it was trained with (--adapter-alpha)");
        Dictionary<string, (AdapterMatrix? A, AdapterMatrix? B)> lora = [];
        List<AdaptedModule> layers = [];
        List<CarriedTensor> carried = [];
        foreach (TensorInfo tensor in Tensors.Tensors.Values)
        {
            string name = RwkvPeftContents.Plain(tensor.Name);
            int dot = name.LastIndexOf('.');
            string module = dot < 0 ? "" : name[..dot], last = name[(dot + 1)..];
            switch (last)
            {
                case "lora_A":
                    lora[module] = (AdapterMatrix.Of(Tensors, tensor.Name), lora.GetValueOrDefault(module).B);
                    break;
                case "lora_B":
                    lora[module] = (lora.GetValueOrDefault(module).A, AdapterMatrix.Of(Tensors, tensor.Name));
                    break;
                case "disha" or "bone":
                    layers.Add(BlockReading.Layer(Tensors, module, !_file.IsBat ? BlockForm.Balance : IsTiedByInputs(model) ? BlockForm.BatByInputs : BlockForm.BatByOutputs, tensor));
                    break;
                default:
                    carried.Add(new CarriedTensor(name, last == "time_state" ? CarriedKind.State : CarriedKind.Saved, Tensors, tensor));
                    break;
            }
        }
        layers.AddRange(lora.Select(l => Pair(l.Key, l.Value.A, l.Value.B, r => new LoraScale(IsPissa ? r : _alpha!.Value))));
        return new AdapterContents(layers, carried);
    }

    // Newer files of RWKV-PEFT come from PEFT, whose blocks belong to outputs; where the shapes allow both, they are the older ones'.
    private bool IsTiedByInputs(BaseWeights? model)
    {
        bool Fits(bool byInputs) => model is null || _file.Blocks.All(b => model.SizeOf(b.Key) is not { } size || b.Value.Shape[0] * b.Value.Shape[2] == (byInputs ? size.Columns : size.Rows));
        if (!Fits(byInputs: true))
            return false;
        string square = $"{Path}: the shapes do not say how Bat's blocks are tied; they are read as RWKV-PEFT's, by inputs";
        if (Fits(byInputs: false) && !Warnings.Contains(square))
            Warnings.Add(square);
        return true;
    }
}
