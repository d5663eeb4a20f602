using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>What an adapter does to one module, whatever file it comes from.</summary>
/// <param name="Module">The module's official path: Hugging Face's in the Llama family, RWKV-LM's in RWKV ("blocks.0.att.key"); as in the file where that could not be told.</param>
public abstract record AdaptedModule(string Module)
{
    /// <summary>What it is called in messages: "LoRA", "Bat".</summary>
    public abstract string Method { get; }

    /// <summary>Its rank, or the size of its blocks.</summary>
    public abstract int Rank { get; }

    /// <summary>Whether its values were rounded on the way from the files.</summary>
    public abstract bool IsRounded { get; init; }
}

/// <summary>LoRA: W' = W + s·B·A; of an embedding E' = E + s·(B·A)ᵀ (spec/formats.md §6.4).</summary>
/// <param name="Module">The module.</param>
/// <param name="A">[r, inputs]; of an embedding [r, vocabulary].</param>
/// <param name="B">[outputs, r]; of an embedding [channels, r].</param>
/// <param name="Scale">s, by r.</param>
public sealed record LowRankLayer(string Module, AdapterMatrix A, AdapterMatrix B, LoraScale Scale) : AdaptedModule(Module)
{
    /// <summary>Whether the module is an embedding.</summary>
    public bool IsEmbedding { get; init; }

    /// <summary>DoRA's magnitudes [outputs]: W' = diag(m / ‖V‖)·V with V = W + s·B·A (spec/adapters.md §3.8); null for plain LoRA.</summary>
    public AdapterMatrix? Magnitude { get; init; }

    /// <summary>What is added to the output, times s (lora_bias); null mostly.</summary>
    public AdapterMatrix? OutputBias { get; init; }

    /// <inheritdoc/>
    public override string Method => Magnitude is not null ? "DoRA" : IsEmbedding ? "LoRA of an embedding" : "LoRA";

    /// <inheritdoc/>
    public override int Rank => A.Rows;

    /// <summary>The factor of B·A.</summary>
    public double Factor => Scale.Of(Rank);

    /// <inheritdoc/>
    public override bool IsRounded
    {
        get => field || A.IsRounded || B.IsRounded;
        init;
    }
}

/// <summary>Bone, MiSS and Bat: blocks D that are repeated over the weight (spec/formats.md §8.6).</summary>
/// <param name="Module">The module.</param>
/// <param name="Form">How they are repeated.</param>
/// <param name="Source">The file of the blocks.</param>
/// <param name="Tensor">Their tensor there: [r, outputs], [r, mini_r] or [n, r, r].</param>
public sealed record BlockLayer(string Module, BlockForm Form, ITensorSource Source, TensorInfo Tensor) : AdaptedModule(Module)
{
    /// <inheritdoc/>
    public override string Method => Form switch
    {
        BlockForm.Balance => "Bone (MiSS)",
        BlockForm.Mini => "MiSS mini",
        BlockForm.BatByOutputs => "Bat (by blocks of outputs)",
        _ => "Bat (by blocks of inputs)",
    };

    /// <inheritdoc/>
    public override bool IsRounded { get; init; }

    /// <inheritdoc/>
    public override int Rank => (int)(IsBat ? Tensor.Shape[2] : Tensor.Shape[0]);

    /// <summary>Whether the change depends on the weight.</summary>
    public bool IsBat => Form is BlockForm.BatByOutputs or BlockForm.BatByInputs;
}

/// <summary>The forms of Bone (spec/adapters.md §2).</summary>
public enum BlockForm
{
    /// <summary>ΔW[o, i] = D[i mod r, o].</summary>
    Balance,
    /// <summary>ΔW[o, i] = D[i mod r, o mod mini_r].</summary>
    Mini,
    /// <summary>PEFT's Bat.</summary>
    BatByOutputs,
    /// <summary>RWKV-PEFT's Bat.</summary>
    BatByInputs,
}

/// <summary>A tensor that an adapter brings beside its layers, copied as it is stored.</summary>
/// <param name="Name">Its official name in the model ("model.norm.weight", "blocks.0.att.time_state").</param>
/// <param name="Kind">What it is.</param>
/// <param name="Source">The file.</param>
/// <param name="Tensor">The tensor there.</param>
public sealed record CarriedTensor(string Name, CarriedKind Kind, ITensorSource Source, TensorInfo Tensor);

/// <summary>What a tensor beside the layers is.</summary>
public enum CarriedKind
{
    /// <summary>A bias that was trained with the layers.</summary>
    Bias,
    /// <summary>A tensor of the model that was trained whole.</summary>
    Saved,
    /// <summary>The start of a recurrent layer.</summary>
    State,
}
