using System.Text.Json.Nodes;
using Marrow.Adapters.Converting;
using Marrow.Adapters.Peft;
using Marrow.Formats;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Mlx;

/// <summary>
/// Adapters of mlx-lm: a folder of adapters.safetensors and adapter_config.json. The factors are stored transposed (lora_a [inputs, r],
/// lora_b [r, outputs]), and their product is multiplied by the scale itself; rank and scale are one for all layers (spec/adapters.md §0).
/// </summary>
public sealed class MlxKind : AdapterKind
{
    /// <summary>The file of tensors.</summary>
    public const string TensorFile = "adapters.safetensors";

    /// <inheritdoc/>
    public override string Name => "mlx";

    /// <inheritdoc/>
    public override string Description => "folder of mlx-lm (adapters.safetensors)";

    /// <inheritdoc/>
    public override string? Ending => null;

    /// <inheritdoc/>
    public override ScaleForm Scales => ScaleForm.OneScale;

    /// <inheritdoc/>
    public override bool Recognises(string path) => Directory.Exists(path)
        && (MlxDocument.IsConfig(path) || (File.Exists(Path.Combine(path, TensorFile)) && !File.Exists(Path.Combine(path, PeftFolder.TensorFile))));

    /// <inheritdoc/>
    public override AdapterDocument Open(string path, double? alpha = null) => alpha is null ? MlxDocument.Open(this, path)
        : throw new ModelFileException("RP006", Echo.Name(path), "a folder of mlx-lm says its scale itself; leave the given alpha out");

    /// <inheritdoc/>
    public override string? Refusal(AdaptedModule layer) => layer is LowRankLayer { OutputBias: null } ? null
        : layer is LowRankLayer ? "has no bias in LoRA layers" : "holds LoRA and DoRA only";

    /// <inheritdoc/>
    public override void Write(string path, AdapterContents contents, AdapterWriting writing)
    {
        LowRankLayer[] layers = [.. contents.Layers.Cast<LowRankLayer>()];
        bool dora = layers.Any(l => l.Magnitude is not null);
        if (dora && layers.FirstOrDefault(l => l.Magnitude is null) is { } plain)
            throw new MarrowException("AC004", $"'{Echo.Name(plain.Module)}' has LoRA and other layers DoRA; an mlx folder has one of them for all layers. Merge the adapter into the model instead (marrow merge). [AC004]");
        var fields = new JsonObject
        {
            ["fine_tune_type"] = dora ? "dora" : "lora",
            ["lora_parameters"] = new JsonObject
            {
                ["rank"] = layers[0].Rank, ["scale"] = PeftJson.Real(writing.Alpha), ["dropout"] = PeftJson.Real(0),
                // Whole paths: layers that the adapter leaves alone stay as they are.
                ["keys"] = new JsonArray([.. layers.Select(l => (JsonNode)writing.PathOf(l.Module))]),
            },
            ["num_layers"] = writing.Base?.Config.LayerCount ?? 0,
        };
        if (contents.BaseModel is { } model)
            fields["model"] = model;
        AtomicFolder.Write(path, folder =>
        {
            AtomicFile.WriteText(Path.Combine(folder, PeftConfig.FileName), PeftJson.Sorted(fields));
            SafetensorsWriter.Write(Path.Combine(folder, TensorFile), layers.SelectMany(l => TensorsOf(l, writing.PathOf(l.Module))));
        });
    }

    private static IEnumerable<TensorToWrite> TensorsOf(LowRankLayer layer, string path)
    {
        yield return layer.A.Transposed().ToWrite(path + ".lora_a");
        yield return layer.B.Transposed().ToWrite(path + ".lora_b");
        if (layer.Magnitude is { } m)
            yield return m.ToWrite(path + ".m", [(long)m.Rows * m.Columns]);
    }
}
