using System.Globalization;
using Marrow.Adapters.Converting;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.Rwkv;

namespace Marrow.Adapters.GgufLora;

/// <summary>
/// LoRA as llama.cpp reads it: a GGUF file of general.type "adapter" with pairs "{tensor}.lora_a" and "{tensor}.lora_b" in the rows' order of the base's
/// GGUF file, and one alpha (spec/formats.md §8.1, §8.3).
/// </summary>
public sealed class GgufLoraKind : AdapterKind
{
    internal const string AlphaKey = "adapter.lora.alpha", TypeKey = "adapter.type", AloraKey = "adapter.alora.invocation_tokens";
    internal const string A = ".lora_a", B = ".lora_b", Embedding = "token_embd.weight";

    /// <inheritdoc/>
    public override string Name => "gguf-lora";

    /// <inheritdoc/>
    public override string Description => "GGUF file of LoRA for llama.cpp";

    /// <inheritdoc/>
    public override string? Ending => ".gguf";

    /// <inheritdoc/>
    public override ScaleForm Scales => ScaleForm.OneAlpha;

    /// <inheritdoc/>
    public override bool Recognises(string path) => File.Exists(path) && GgufFile.IsGguf(path);

    /// <inheritdoc/>
    public override AdapterDocument Open(string path, double? alpha = null)
    {
        if (alpha is not null)
            throw new ModelFileException("RP006", Echo.Name(path), "a GGUF file says its alpha itself; leave the given one out");
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new GgufLoraDocument(this, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override string? Refusal(AdaptedModule layer) => layer is LowRankLayer { Magnitude: null, OutputBias: null } ? null
        : layer is LowRankLayer { Magnitude: null } ? "has no bias in LoRA layers" : "holds plain LoRA only";

    /// <inheritdoc/>
    public override void Write(string path, AdapterContents contents, AdapterWriting writing)
    {
        BaseWeights model = writing.Require(this, "names and the order of rows are those of its GGUF file");
        GgufArchitecture architecture = GgufArchitectures.For(model.Config);
        var values = new GgufMetadata(path);
        values.Set("general.architecture", architecture.Name);
        values.Set("general.type", "adapter");
        values.Set(TypeKey, "lora");
        values.Set(AlphaKey, (float)writing.Alpha);
        List<TensorToWrite> tensors = [];
        foreach (LowRankLayer layer in contents.Layers.Cast<LowRankLayer>())
        {
            if (model.IsTied && (layer.IsEmbedding || layer.Module == "lm_head"))
                throw new MarrowException("AC004", $"'{Echo.Name(layer.Module)}' is embedding and head in one, and llama.cpp would change only one of them. Merge the adapter into the model with PEFT instead. [AC004]");
            string official = layer.Module + ".weight", name = architecture.NameOf(official)
                ?? throw new MarrowException("AC007", $"'{Echo.Name(official)}' has no place in GGUF files of {architecture.Name}, so its LoRA has none; merge the adapter into the model instead (marrow merge). [AC007]");
            AdapterMatrix b = RowOrder(architecture, official, model, layer.B) is { } order ? layer.B.WithRows(order) : layer.B;
            b = b.Times(1 / (double)architecture.DivisorOf(official, model.Config));
            // The embedding's is looked up by tokens.
            tensors.Add((layer.IsEmbedding ? layer.A.Transposed() : layer.A).ToWrite(name + A));
            tensors.Add(b.ToWrite(name + B));
        }
        if (model.Config is RwkvConfig { Version: 6 } rwkv)
            writing.Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"the file is for a GGUF file of the base whose rwkv6.rescale_every_n_layers is {rwkv.RescaleEvery}; beside one with another value, later layers would be changed too much or too little"));
        GgufWriter.Write(path, values, tensors);
    }

    /// <summary>The rows' order of B in the file (row i is official row [i]); null where it is the official one.</summary>
    /// <exception cref="ModelFileException">AC008 the base's configuration makes another number of rows than B has.</exception>
    internal static int[]? RowOrder(GgufArchitecture architecture, string official, BaseWeights model, AdapterMatrix b)
    {
        int[]? order = architecture.RowOrder(official, model.Config);
        if (order is not null && order.Length != b.Rows)
            throw new ModelFileException("AC008", Echo.Name(model.Path), $"'{Echo.Name(official)}' has {b.Rows} rows, of which B {b.ShapeText} of its LoRA is made, but heads and their size in the configuration make {order.Length}; correct the numbers of heads in the base's configuration");
        return order;
    }
}
