using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>How many scales a kind of file can say.</summary>
public enum ScaleForm
{
    /// <summary>One for each layer.</summary>
    EachLayer,
    /// <summary>One alpha, which is divided by each layer's rank.</summary>
    OneAlpha,
    /// <summary>One factor, and one rank, for all layers.</summary>
    OneScale,
}

/// <summary>One kind of adapter file: how it is told from others, read and written, and what it can hold.</summary>
public abstract class AdapterKind
{
    /// <summary>Its name in commands: "peft", "gguf-lora".</summary>
    public abstract string Name { get; }

    /// <summary>What it is, in a few words.</summary>
    public abstract string Description { get; }

    /// <summary>How its files' names end (".gguf"); null where it is a folder.</summary>
    public abstract string? Ending { get; }

    /// <summary>The scales it can say.</summary>
    public abstract ScaleForm Scales { get; }

    /// <summary>Whether scales are numbers of any size over the rank, or over its root; else alphas are kept in fp32 and divided by the rank.</summary>
    public virtual bool KeepsScales => false;

    /// <summary>Whether a file or folder looks like this kind, by its content.</summary>
    public abstract bool Recognises(string path);

    /// <summary>Opens files of this kind.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="alpha">LoRA's alpha where the files do not hold it.</param>
    /// <exception cref="MarrowException">They are not valid.</exception>
    public abstract AdapterDocument Open(string path, double? alpha = null);

    /// <summary>Why a module's change cannot be held as it is ("holds LoRA only"); null where it can.</summary>
    public virtual string? Refusal(AdaptedModule layer) => layer is LowRankLayer { Magnitude: null, IsEmbedding: false, OutputBias: null } ? null : "holds plain LoRA of linear layers only";

    /// <summary>Why a tensor beside the layers cannot be held; null where it can.</summary>
    public virtual string? Refusal(CarriedTensor tensor) => "has no place for tensors beside the factors of LoRA";

    /// <summary>Writes an adapter whose layers all have a form and a scale that this kind can hold.</summary>
    /// <exception cref="MarrowException">IO008, IO009 it cannot be written; AC006 the base model is needed.</exception>
    public abstract void Write(string path, AdapterContents contents, AdapterWriting writing);
}

/// <summary>What a writer is told beside the adapter.</summary>
/// <param name="Base">The base model; null where it was not given.</param>
/// <param name="Alpha">The one alpha of all LoRA layers, or their one factor (<see cref="ScaleForm"/>); of no meaning where each layer has its own.</param>
/// <param name="Warnings">What should be known about the written file, one sentence each.</param>
public sealed record AdapterWriting(BaseWeights? Base, double Alpha, IList<string> Warnings)
{
    /// <summary>The base, which this kind cannot be written without.</summary>
    /// <exception cref="MarrowException">AC006 it was not given.</exception>
    public BaseWeights Require(AdapterKind kind, string why) => Base ?? throw new MarrowException("AC006", $"A {kind.Name} file cannot be written without the base model: {why}. Give the base model (--model). [AC006]");

    /// <summary>What the base's files call a module.</summary>
    public string PathOf(string module) => Base?.PathOf(module) ?? module;
}
