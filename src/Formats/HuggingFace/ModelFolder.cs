using System.Security.Cryptography;
using System.Text;
using Marrow.Formats.Gguf;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.HuggingFace;

/// <summary>
/// A model's files: configuration, weights (opened, not read) and where its tokenizer lies. A Hugging Face folder (spec/formats.md §6.1), a GGUF
/// file or the folder that it alone lies in, or an RWKV checkpoint: its file, or the folder that it lies in with its tokenizer.
/// </summary>
public sealed class ModelFolder : IDisposable
{
    private readonly ModelWeights _weights;

    private ModelFolder(string path, string directory, ModelConfig config, ModelWeights weights)
    {
        (Path, Directory, Config, _weights) = (path, directory, config, weights);
        string generation = In(directory, "generation_config.json");
        Generation = File.Exists(generation) ? GenerationConfig.Read(generation) : null;
        Tokenizer = TokenizerFiles.Find(directory);
    }

    /// <summary>The folder or file, as given.</summary>
    public string Path { get; }

    /// <summary>The folder where tokenizer and generation_config.json are looked for: the given one, or that of the given file.</summary>
    public string Directory { get; }

    /// <summary>What config.json says, the metadata of a GGUF file, or the weights themselves.</summary>
    public ModelConfig Config { get; }

    /// <summary>What generation_config.json says; null where it is absent.</summary>
    public GenerationConfig? Generation { get; }

    /// <summary>The weights, under the names that the model asks for.</summary>
    public ITensorSource Tensors => _weights.Tensors;

    /// <summary>The GGUF file, whose metadata hold configuration and tokenizer; null where the model is of another kind.</summary>
    public GgufFile? Gguf => _weights.Gguf;

    /// <summary>Where the tokenizer's files lie; a GGUF file has its own inside.</summary>
    public TokenizerFiles Tokenizer { get; }

    /// <summary>The weight files, sorted by name.</summary>
    public IReadOnlyList<string> WeightFiles => _weights.Files;

    /// <summary>config.json; null where the model has none.</summary>
    public string? ConfigFile => Config.RawJson is null ? null : In(Directory, "config.json");

    /// <summary>What was odd but allowed in the weight files, one sentence each.</summary>
    public IReadOnlyList<string> Warnings => _weights.Warnings;

    /// <summary>Opens a model's folder, a GGUF file, or an RWKV checkpoint file.</summary>
    /// <exception cref="ModelFileException">
    /// HF001 no config.json; HF013 no such folder, or a file that is no model's; HF014 no weights; otherwise as <see cref="LlamaConfig.Read"/>,
    /// <see cref="RwkvConfig.Of"/>, <see cref="GenerationConfig.Read"/> and the readers of weights.
    /// </exception>
    public static ModelFolder Open(string path)
    {
        if (File.Exists(path))
            return OpenFile(path);
        if (!System.IO.Directory.Exists(path))
            throw new ModelFileException("HF013", Echo.Name(path), GgufSplit.FirstOf(path) is { } first ? $"there is no such file, but a model of that name in several; give the first of them, '{Echo.Name(System.IO.Path.GetFileName(first))}'"
                : "there is no such folder or file; check the path (models are not downloaded)");
        string config = In(path, "config.json");
        if (!File.Exists(config) && File.Exists(In(path, "adapter_config.json")))
            throw new ModelFileException("HF001", path, "this is an adapter's folder, without config.json; give the folder of its base model here");
        if (!File.Exists(config) && !ModelWeights.ArePresent(path))
            throw new ModelFileException("HF001", config, "config.json is missing; give a folder that holds a Hugging Face model, a .gguf file, or an RWKV checkpoint");
        if (!File.Exists(config))
            return With(path, path, ModelWeights.OfFolder(path), weights => RwkvConfig.IsAnyVersion(weights.Tensors) ? RwkvConfig.Of(weights.Tensors)
                : throw new ModelFileException("HF001", config, "config.json is missing, and the weights are not an RWKV model's, which would need none; give a folder that holds a Hugging Face model"));
        // A GGUF file needs none, whatever lies beside it.
        ModelConfig? read = ModelWeights.IsGguf(path) ? null : ModelConfigFile.Read(config);
        return With(path, path, ModelWeights.OfFolder(path), weights => read is RwkvConfig rwkv ? ModelConfigFile.Complete(rwkv, weights.Tensors) : read!);
    }

    // A bare model.safetensors stands for its folder, whose other files it needs.
    private static ModelFolder OpenFile(string path)
    {
        string directory = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        if (System.IO.Path.GetFileName(path) is SafetensorsFolder.SingleFile or SafetensorsFolder.IndexFile && File.Exists(In(directory, "config.json")))
            return Open(directory);
        return With(path, directory, ModelWeights.OfFile(path), weights => RwkvConfig.IsAnyVersion(weights.Tensors) ? RwkvConfig.Of(weights.Tensors)
            : throw new ModelFileException("HF013", path, "holds no RWKV model, which beside GGUF alone can be one file; give the folder that holds config.json and the weights (an adapter is named beside its base model)"));
    }

    private static ModelFolder With(string path, string directory, ModelWeights weights, Func<ModelWeights, ModelConfig> read)
    {
        try
        {
            ModelWeights official = weights.Official();
            ModelConfig config;
            if (weights.Gguf is { } gguf)
                (config, official) = ModelWeights.OfModel(weights, gguf);
            else
                config = read(official);
            return new ModelFolder(path, directory, config, official);
        }
        catch
        {
            weights.Tensors.Dispose();
            throw;
        }
    }

    /// <summary>Reads every weight file once and tells name, size and SHA-256 of each, in the order of their names.</summary>
    /// <exception cref="ModelFileException">IO003, IO005 a file cannot be read.</exception>
    public IReadOnlyList<FileHash> HashWeights(CancellationToken cancellation = default) =>
        [.. WeightFiles.Select(file => FileHash.Of(file, cancellation))];

    /// <summary>One SHA-256 (lower-case hex) that stands for all weight files: that of the lines "{sha256}  {name}\n" of <see cref="HashWeights"/>.</summary>
    public static string ContentHash(IEnumerable<FileHash> files) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(files.Select(f => $"{f.Sha256}  {f.Name}\n")))));

    /// <inheritdoc/>
    public void Dispose() => _weights.Dispose();

    private static string In(string folder, string name) => System.IO.Path.Combine(folder, name);
}
