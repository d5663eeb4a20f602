using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Views;

namespace Marrow.Formats.Conversion;

/// <summary>A model to be written: its tensors under the names that the engine asks for (Hugging Face's for the Llama family, RWKV-LM's for RWKV) and its configuration.</summary>
/// <param name="Tensors">The weights; they stay the caller's.</param>
/// <param name="Config">The configuration, with <see cref="LlamaConfig.TiedEmbeddings"/> as the weights are.</param>
public sealed record SourceModel(ITensorSource Tensors, ModelConfig Config)
{
    /// <summary>The tokenizer's files; null where there are none.</summary>
    public TokenizerFiles? Tokenizer { get; init; }

    /// <summary>A name for people, which GGUF files carry; null for none.</summary>
    public string? Name { get; init; }

    /// <summary>The metadata of the GGUF file that it comes from, tokenizer included; null where it comes from another kind.</summary>
    public GgufMetadata? GgufValues { get; init; }

    /// <summary>The same tensors as they stand in that file; null where it comes from another kind, or they were changed.</summary>
    public ITensorSource? GgufTensors { get; init; }

    /// <summary>The types that tensors are stored in where none is named, by name, of those that do not come in them: a merged weight comes as fp32.</summary>
    public IReadOnlyDictionary<string, DType>? StoredTypes { get; init; }

    /// <summary>Tells by name whether values of a tensor were rounded before they came here, as Gemma's norms may be that GGUF stores with 1 added; null where none was.</summary>
    public Func<string, bool>? IsRounded { get; init; }

    /// <summary>The path of generation_config.json; null where there is none.</summary>
    public string? GenerationFile { get; init; }

    /// <summary>The files that are read, which the target must not replace.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>An opened model, which stays the caller's.</summary>
    public static SourceModel Of(ModelFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        string generation = Path.Combine(folder.Directory, "generation_config.json");
        // A GGUF file has its tokenizer inside; what lies beside it may be another's.
        bool whole = folder.Gguf is { } file && GgufTokenizer.IsPresent(file.Values);
        return new SourceModel(folder.Tensors, folder.Config)
        {
            Tokenizer = whole ? null : folder.Tokenizer,
            Name = NameOf(folder.Path),
            GgufValues = folder.Gguf?.Values,
            GgufTensors = folder.Gguf,
            IsRounded = (folder.Tensors as ViewedTensors) is { } views ? views.IsRounded : null,
            GenerationFile = whole || folder.Generation is null ? null : generation,
            Inputs = [folder.Path, .. folder.WeightFiles],
        };
    }

    /// <summary>Names the tensors that nothing computes with, for a kind that has no place for them; null where there are none.</summary>
    internal string? LeftOut(string kind) => Tensors.Tensors.Keys.Where(Config.IsDerived).Order(StringComparer.Ordinal).ToArray() is not [_, ..] names ? null
        : $"{string.Join(", ", names.Take(3).Select(n => Echo.Name(n)))}{(names.Length > 3 ? $" and {names.Length - 3} more" : "")} {(names.Length > 1 ? "are" : "is")} left out: no computation reads {(names.Length > 1 ? "them" : "it")}, and {kind} has no place for {(names.Length > 1 ? "them" : "it")}";

    /// <summary>The type that a tensor keeps.</summary>
    internal DType StoredType(TensorInfo tensor) => StoredTypes?.TryGetValue(tensor.Name, out DType type) == true ? type : tensor.DType;

    // The folder's name, or the file's without its ending.
    private static string NameOf(string path) => Directory.Exists(path) ? new DirectoryInfo(path).Name : Path.GetFileNameWithoutExtension(path);
}
