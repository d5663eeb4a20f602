using System.Globalization;
using Marrow.Adapters.Converting;
using Marrow.Formats;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Kohya;

/// <summary>
/// LoRA as sd-scripts (kohya) and the programs around it write it: one safetensors file with keys "lora_te_{module path with underscores}", each with
/// lora_down.weight [r, inputs], lora_up.weight [outputs, r] and its own alpha.
/// </summary>
public sealed class KohyaKind : AdapterKind
{
    /// <summary>The first words of written keys: what sd-scripts calls language models (text encoders).</summary>
    public const string Prefix = "lora_te_";

    /// <summary>The module that paths in keys are counted from, where a model has it.</summary>
    internal const string Root = "model.";

    /// <inheritdoc/>
    public override string Name => "kohya";

    /// <inheritdoc/>
    public override string Description => "safetensors file with lora_up, lora_down and alpha (sd-scripts)";

    /// <inheritdoc/>
    public override string? Ending => ".safetensors";

    /// <inheritdoc/>
    public override ScaleForm Scales => ScaleForm.EachLayer;

    /// <inheritdoc/>
    public override bool Recognises(string path)
    {
        if (!Path.GetExtension(path).Equals(".safetensors", StringComparison.OrdinalIgnoreCase) || !File.Exists(path))
            return false;
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Tensors.Keys.Any(KohyaDocument.IsKey);
    }

    /// <inheritdoc/>
    public override AdapterDocument Open(string path, double? alpha = null) => alpha is null ? new KohyaDocument(this, SafetensorsFile.Open(path))
        : throw new ModelFileException("RP006", Echo.Name(path), "the file says the alpha of each layer itself; leave the given one out");

    /// <inheritdoc/>
    public override void Write(string path, AdapterContents contents, AdapterWriting writing)
    {
        List<TensorToWrite> tensors = [];
        foreach (LowRankLayer layer in contents.Layers.Cast<LowRankLayer>())
        {
            string module = writing.PathOf(layer.Module);
            // As sd-scripts counts from, where it trains language models (Gemma 2, Qwen 3): the model without its head.
            string key = Prefix + Flat(module.StartsWith(Root, StringComparison.Ordinal) ? module[Root.Length..] : module);
            tensors.Add(layer.A.ToWrite(key + ".lora_down.weight"));
            tensors.Add(layer.B.ToWrite(key + ".lora_up.weight"));
            tensors.Add(TensorToWrite.FromFloats(key + ".alpha", [], new[] { (float)layer.Scale.Alpha }));
        }
        SafetensorsWriter.Write(path, tensors, new Dictionary<string, string>
        {
            ["ss_network_module"] = "networks.lora",
            ["ss_network_dim"] = contents.Layers.Max(l => l.Rank).ToString(CultureInfo.InvariantCulture),
        });
    }

    internal static string Flat(string path) => path.Replace('.', '_');
}
