using System.Security.Cryptography;
using System.Text;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.HuggingFace;

/// <summary>A Hugging Face model folder: configuration, weights (opened, not read) and where its tokenizer lies (spec/formats.md §6.1).</summary>
public sealed class ModelFolder : IDisposable
{
    private readonly SafetensorsFolder _weights;

    private ModelFolder(string path, LlamaConfig config, GenerationConfig? generation, SafetensorsFolder weights)
    {
        Path = path;
        Config = config;
        Generation = generation;
        _weights = weights;
        Tokenizer = TokenizerFiles.Find(path);
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>What config.json says.</summary>
    public LlamaConfig Config { get; }

    /// <summary>What generation_config.json says; null where it is absent.</summary>
    public GenerationConfig? Generation { get; }

    /// <summary>The weights.</summary>
    public ITensorSource Tensors => _weights;

    /// <summary>Where the tokenizer's files lie.</summary>
    public TokenizerFiles Tokenizer { get; }

    /// <summary>The weight files, sorted by name.</summary>
    public IReadOnlyList<string> WeightFiles => _weights.Files;

    /// <summary>What was odd but allowed in the weight files, one sentence each.</summary>
    public IReadOnlyList<string> Warnings => _weights.Warnings;

    /// <summary>Opens a folder.</summary>
    /// <exception cref="ModelFileException">
    /// HF001 no config.json; HF013 no such folder, or a file; HF014 no safetensors weights; otherwise as <see cref="LlamaConfig.Read"/>,
    /// <see cref="GenerationConfig.Read"/> and <see cref="SafetensorsFolder.Open"/>.
    /// </exception>
    public static ModelFolder Open(string path)
    {
        if (File.Exists(path))
            throw new ModelFileException("HF013", path, "this is a file; give the folder that holds config.json and the weights");
        if (!Directory.Exists(path))
            throw new ModelFileException("HF013", Echo.Name(path), "there is no such folder; check the path (models are not downloaded)");
        string config = In(path, "config.json"), generation = In(path, "generation_config.json");
        if (!File.Exists(config) && File.Exists(In(path, "adapter_config.json")))
            throw new ModelFileException("HF001", path, "this is an adapter's folder, without config.json; give the folder of its base model here");
        LlamaConfig read = LlamaConfig.Read(config);
        if (!SafetensorsFolder.IsPresent(path))
            throw new ModelFileException("HF014", path, File.Exists(In(path, "pytorch_model.bin")) || File.Exists(In(path, "pytorch_model.bin.index.json"))
                ? "holds its weights only as pytorch_model.bin; save it again as safetensors"
                : $"holds no weights: neither {SafetensorsFolder.SingleFile} nor {SafetensorsFolder.IndexFile}; fetch them from where the model came from");
        return new ModelFolder(path, read, File.Exists(generation) ? GenerationConfig.Read(generation) : null, SafetensorsFolder.Open(path));
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
