using System.Text.Json;
using System.Text.Json.Nodes;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Merging;

/// <summary>
/// Writes a model as a complete Hugging Face folder (spec/formats.md §6.1), or an RWKV model as one .pth file with its official names (§5.1, §5.2);
/// it appears whole or not at all.
/// </summary>
public static class ModelFolderWriter
{
    private const double UsualNormEps = 1e-5, UsualHeadNormEps = 64e-5;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, IndentSize = 2, NewLine = "\n" };

    /// <summary>
    /// Writes configuration, generation defaults and tokenizer files of <paramref name="source"/> (where the model came from), and the weights as
    /// <paramref name="storeAs"/>, or each in the type that it has in the source, or in memory where there is none.
    /// </summary>
    /// <exception cref="MarrowException">IO008, IO009 it cannot be written; AD012 it would replace the source, an adapter is attached, or another model than RWKV is to be a .pth file.</exception>
    public static void Write(string path, CausalModel model, ModelFolder? source = null, DType? storeAs = null, long maxShardBytes = SafetensorsWriter.UsualShardBytes)
    {
        if (storeAs is not (null or DType.F32 or DType.BF16 or DType.F16))
            throw new MarrowException("AD012", $"Weights cannot be stored as {storeAs}; choose F32, F16 or BF16. [AD012]");
        if (source is not null && Path.GetFullPath(path).TrimEnd(Path.DirectorySeparatorChar) == Path.GetFullPath(source.Path).TrimEnd(Path.DirectorySeparatorChar))
            throw new MarrowException("AD012", $"{path}: is what the model came from; write it elsewhere. [AD012]");
        if ((model.Linears.FirstOrDefault(l => l.Adapter is not null)?.Path ?? model.InitialStates.FirstOrDefault(s => s.Trained is not null)?.Name) is { } adapted)
            throw new MarrowException("AD012", $"{adapted} has an adapter attached, which the written model would lack; merge it first. [AD012]");
        using var stored = new ModelTensors(model, source, storeAs);
        TensorToWrite[] official = [.. stored.Tensors.Keys.Select(n => TensorToWrite.Copy(stored, n))];
        if (IsFile(path))
        {
            RequireFile(path, model);
            PthWriter.Write(path, official);
            return;
        }
        // A Hugging Face folder of RWKV keeps its names and its configuration.
        IEnumerable<TensorToWrite> tensors = model.Config is RwkvConfig { Naming: { } naming } ? FlaWriter.Tensors(stored, naming) : official;
        string? config = Config(model, official);
        AtomicFolder.Write(path, folder =>
        {
            if (config is not null)
                AtomicFile.WriteText(Path.Combine(folder, "config.json"), config);
            foreach (string file in source is null ? [] : source.Tokenizer.Present.Prepend(Path.Combine(source.Directory, "generation_config.json")).Where(File.Exists))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            SafetensorsWriter.WriteModel(folder, tensors, maxShardBytes);
        });
    }

    /// <summary>Whether a path means one file, not a folder.</summary>
    public static bool IsFile(string path) => Path.GetExtension(path).Equals(".pth", StringComparison.OrdinalIgnoreCase);

    private static void RequireFile(string path, CausalModel model)
    {
        if (model.Config is not RwkvConfig rwkv)
            throw new MarrowException("AD012", $"{path}: only RWKV models are .pth files, and this is a {model.ModelType} model; give a folder to write. [AD012]");
        // Such a file has no configuration: whoever reads it takes the usual values.
        if (rwkv.NormEps != UsualNormEps || rwkv.HeadNormEps != UsualHeadNormEps)
            throw new MarrowException("AD012", $"{path}: a .pth file of RWKV means norms with epsilons of {UsualNormEps} and {UsualHeadNormEps} (over heads), and this model has {rwkv.NormEps} and {rwkv.HeadNormEps}; "
                + "give a folder to write. [AD012]");
    }

    // The original's text where nothing in it is changed by the weights: keys that are unknown here stay as they are. An RWKV model needs none.
    private static string? Config(CausalModel model, IReadOnlyList<TensorToWrite> tensors)
    {
        string? raw = model.Config.RawJson;
        if (raw is null && model.Config is not LlamaConfig)
            return null;
        DType matrices = tensors.First(t => t.Shape.Count == 2).DType;
        bool? tied = model.Config is LlamaConfig ? !tensors.Any(t => t.Name == "lm_head.weight") : null;
        if (raw is null)
            return ((LlamaConfig)model.Config with { TiedEmbeddings = tied!.Value, TorchDType = matrices }).ToJson();
        if ((tied is null || tied == ((LlamaConfig)model.Config).TiedEmbeddings) && matrices == (model.Config.TorchDType ?? DType.F32))
            return raw;
        JsonObject fields = JsonNode.Parse(raw.TrimStart('\uFEFF'))!.AsObject();
        if (tied is not null)
            fields["tie_word_embeddings"] = tied;
        fields[fields.ContainsKey("dtype") && !fields.ContainsKey("torch_dtype") ? "dtype" : "torch_dtype"] =
            matrices switch { DType.BF16 => "bfloat16", DType.F16 => "float16", DType.F64 => "float64", _ => "float32" };
        return fields.ToJsonString(Indented) + "\n";
    }
}
