using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Merging;

/// <summary>
/// Writes a model in memory as a file or folder of any kind, with the configuration and tokenizer of where it came from; it appears whole or not at all.
/// </summary>
public static class ModelFolderWriter
{
    /// <summary>
    /// Writes a folder, or a .pth file where the path ends so, with the weights as <paramref name="storeAs"/>, or each in the type that it has in
    /// <paramref name="source"/> (where the model came from), or in memory where there is none. What stands there is replaced.
    /// </summary>
    /// <exception cref="MarrowException">As the other overload.</exception>
    public static void Write(string path, CausalModel model, ModelFolder? source = null, DType? storeAs = null, long maxShardBytes = SafetensorsWriter.UsualShardBytes) =>
        Write(path, IsFile(path) ? ModelKind.Pth : ModelKind.HuggingFace, model, source, new ConversionOptions { StoreAs = storeAs, MaxShardBytes = maxShardBytes, Overwrite = true });

    /// <summary>Writes a model of any kind. What is quantised in <paramref name="source"/> and was changed since is fp32, what was not keeps its blocks, unless <paramref name="options"/> names types.</summary>
    /// <exception cref="MarrowException">AD012 an adapter is attached; IO007 it would replace the source; otherwise as <see cref="ModelConversion.Write"/>.</exception>
    public static ConversionReport Write(string path, ModelKind kind, CausalModel model, ModelFolder? source, ConversionOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        if ((model.Linears.FirstOrDefault(l => l.Adapter is not null)?.Path ?? model.InitialStates.FirstOrDefault(s => s.Trained is not null)?.Name) is { } adapted)
            throw new MarrowException("AD012", $"{adapted} has an adapter attached, which the written model would lack; merge it first. [AD012]");
        using var stored = new ModelTensors(model, source);
        ModelConfig config = model.Config is LlamaConfig llama ? llama with { TiedEmbeddings = !stored.Tensors.ContainsKey("lm_head.weight") } : model.Config;
        SourceModel written = source is null ? new SourceModel(stored, config) : SourceModel.Of(source) with { Tensors = stored, Config = config, GgufTensors = null };
        return ModelConversion.Write(path, kind, written with { StoredTypes = stored.StoredTypes }, options with { KeepNames = true });
    }

    /// <summary>Whether a path means one file, not a folder.</summary>
    public static bool IsFile(string path) => Path.GetExtension(path).Equals(".pth", StringComparison.OrdinalIgnoreCase);
}
