using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Rwkv;
using Marrow.Formats.RwkvCpp;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.HuggingFace;

/// <summary>The weight files of a model, opened: one file, or the shards of a folder.</summary>
/// <param name="Tensors">Their tensors.</param>
/// <param name="Files">The files, sorted by name.</param>
/// <param name="Warnings">What was odd but allowed, one sentence each.</param>
public sealed record ModelWeights(ITensorSource Tensors, IReadOnlyList<string> Files, IReadOnlyList<string> Warnings) : IDisposable
{
    /// <summary>The GGUF file with its metadata, where the weights are one.</summary>
    public GgufFile? Gguf { get; init; }

    /// <summary>The configuration that a GGUF file holds, and its tensors under official names.</summary>
    /// <exception cref="ModelFileException">GA001 … GA005: the model is of a kind that is not supported, or the file is damaged.</exception>
    internal static (ModelConfig Config, ModelWeights Weights) OfModel(ModelWeights weights, GgufFile file)
    {
        if (file.Tensors.Count == 0)
            throw new ModelFileException("GA001", file.Path, "holds metadata and a vocabulary, but no weights; give the GGUF file of a whole model");
        GgufArchitecture architecture = GgufArchitectures.Of(file.Values);
        ModelConfig config = architecture.ReadConfig(file, file.Values, out string? warning);
        return (config, weights with { Tensors = architecture.Official(file, config), Warnings = warning is null ? weights.Warnings : [.. weights.Warnings, warning] });
    }

    /// <summary>The same with the tensors of an RWKV model under their official names, whatever the files call them, and with bitsandbytes' NF4 as one tensor each.</summary>
    /// <exception cref="ModelFileException">
    /// FL001 … FL004: the names are those of a Hugging Face form, and a tensor does not fit it; BB001, BB002: what bitsandbytes stored is incomplete or not supported.
    /// </exception>
    public ModelWeights Official()
    {
        ITensorSource tensors = BitsAndBytesTensors.IsPresent(Tensors) ? BitsAndBytesTensors.Open(Tensors) : Tensors;
        return this with { Tensors = FlaTensors.NamingOf(tensors) is { } naming ? FlaTensors.Open(tensors, naming) : tensors };
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => Tensors.Dispose();

    private const string Remedy = "fetch them from where the model came from";

    /// <summary>Opens a weight file by what it begins with; its ending counts where that says nothing, as in a damaged file.</summary>
    /// <exception cref="ModelFileException">HF013 a kind of file that is not read; otherwise as the reader of its kind.</exception>
    public static ModelWeights OfFile(string path)
    {
        string kind = GgufFile.IsGguf(path) ? ".gguf" : RwkvCppFile.IsPresent(path) ? "rwkv.cpp" : PthFile.IsPth(path) ? ".pth" : SafetensorsFile.IsSafetensors(path) ? ".safetensors"
            : Path.GetExtension(path).ToLowerInvariant();
        switch (kind)
        {
            case ".safetensors":
                SafetensorsFile file = SafetensorsFile.Open(path);
                return new ModelWeights(file, [path], file.Warnings);
            case "rwkv.cpp":
                RwkvCppFile converted = RwkvCppFile.Open(path);
                return new ModelWeights(RwkvCppTensors.Official(converted), [path], []);
            case ".pth" or ".pt" or ".bin":
                PthFile checkpoint = PthFile.Open(path);
                return new ModelWeights(checkpoint, [path], checkpoint.Warnings);
            case ".gguf":
                GgufFile gguf = GgufFile.Open(path);
                return new ModelWeights(gguf, gguf.Files, gguf.Warnings) { Gguf = gguf };
            default:
                throw new ModelFileException("HF013", path, "is no weight file that can be read; give the folder of a model, a .gguf file, or a .pth, .safetensors or rwkv.cpp file of an RWKV model");
        }
    }

    /// <summary>Opens the weights of a folder: safetensors, or the one checkpoint file that lies there.</summary>
    /// <exception cref="ModelFileException">HF014 there are none, or several to choose from; otherwise as the reader of their kind.</exception>
    public static ModelWeights OfFolder(string folder)
    {
        if (SafetensorsFolder.IsPresent(folder))
        {
            SafetensorsFolder weights = SafetensorsFolder.Open(folder);
            return new ModelWeights(weights, weights.Files, weights.Warnings);
        }
        return FilesOf(folder) switch
        {
            [var only] => OfFile(only),
            [] => throw new ModelFileException("HF014", folder, File.Exists(Path.Combine(folder, "pytorch_model.bin.index.json"))
                ? "holds its weights only as several .bin files; save it again as safetensors"
                : $"holds no weights: neither {SafetensorsFolder.SingleFile} nor {SafetensorsFolder.IndexFile}; {Remedy}"),
            var files => throw new ModelFileException("HF014", folder, $"holds {files.Count} weight files ({string.Join(", ", files.Take(5).Select(f => Echo.Name(Path.GetFileName(f))))}); give the path of the one that is meant"
                + (files.Any(f => Path.GetFileName(f).Contains("-of-", StringComparison.Ordinal)) ? $", or, where they are the shards of one model, add its {SafetensorsFolder.IndexFile}" : "")),
        };
    }

    /// <summary>Whether what a folder's weights are read from is a GGUF file.</summary>
    public static bool IsGguf(string folder) => !SafetensorsFolder.IsPresent(folder) && FilesOf(folder) is [var only] && GgufFile.IsGguf(only);

    /// <summary>Whether a folder holds any weight file.</summary>
    public static bool ArePresent(string folder) => SafetensorsFolder.IsPresent(folder) || FilesOf(folder).Count > 0;

    /// <summary>The weight files that lie in a folder, sorted by name; of split GGUF files the first.</summary>
    /// <exception cref="ModelFileException">IO003 the folder cannot be read.</exception>
    public static IReadOnlyList<string> FilesOf(string folder)
    {
        try
        {
            return
            [
                .. Directory.EnumerateFiles(folder).Where(f => Path.GetExtension(f).ToLowerInvariant() is ".safetensors" or ".pth" or ".pt" or ".gguf" || Path.GetFileName(f) == "pytorch_model.bin")
                    .Where(f => !GgufSplit.IsLater(f)).Order(StringComparer.Ordinal),
            ];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException("IO003", folder, $"the folder cannot be read: {e.Message} Check that you may read it", e);
        }
    }
}
