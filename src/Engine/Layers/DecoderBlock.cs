using Marrow.Engine.Autograd;

namespace Marrow.Engine.Layers;

/// <summary>
/// x += attention(norm(x)); x += down(silu(gate(norm(x))) ∘ up(norm(x))): one layer of the Llama family. Gemma's has norms of
/// both summands and GELU for SiLU.
/// </summary>
public sealed class DecoderBlock : ISegment
{
    private Rows _rows;

    /// <summary>The norm before attention, [C].</summary>
    public required Weight AttentionNorm { get; init; }

    /// <summary>Self-attention.</summary>
    public required AttentionLayer Attention { get; init; }

    /// <summary>The norm of what attention adds, [C], where the model has one.</summary>
    public Weight? AttentionOutputNorm { get; init; }

    /// <summary>The norm before the MLP, [C].</summary>
    public required Weight MlpNorm { get; init; }

    /// <summary>The norm of what the MLP adds, [C], where the model has one.</summary>
    public Weight? MlpOutputNorm { get; init; }

    /// <summary>Whether the gate goes through GELU (tanh form) instead of SiLU.</summary>
    public bool GeluGate { get; init; }

    /// <summary>The gate projection, [F, C].</summary>
    public required LinearLayer Gate { get; init; }

    /// <summary>The up projection, [F, C].</summary>
    public required LinearLayer Up { get; init; }

    /// <summary>The down projection, [C, F].</summary>
    public required LinearLayer Down { get; init; }

    /// <summary>The epsilon of the norms.</summary>
    public required float Eps { get; init; }

    /// <summary>What the norms add to their weights.</summary>
    public float NormOffset { get; init; }

    /// <summary>Runs the block; with <paramref name="checkpoint"/> backward computes it again instead of keeping its activations.</summary>
    public Tensor Forward(Tensor x, in Rows rows, bool checkpoint)
    {
        _rows = rows;
        return checkpoint ? Checkpoint.Run(this, x) : ((ISegment)this).Forward(x, null);
    }

    Tensor ISegment.Forward(Tensor x, Tensor? side)
    {
        Tape tape = x.Tape!;
        int scope = tape.Open();
        Tensor attended = Attention.Forward(Ops.RmsNorm(x, AttentionNorm.Value, Eps, NormOffset), _rows);
        if (AttentionOutputNorm is not null)
            attended = Ops.RmsNorm(attended, AttentionOutputNorm.Value, Eps, NormOffset);
        Tensor h = Ops.AddRmsNorm(x, attended, MlpNorm.Value, Eps, out Tensor middle, NormOffset);
        tape.Close(scope, middle, h);
        Tensor gate = Gate.Forward(h), up = Up.Forward(h), mlp = Down.Forward(GeluGate ? Ops.GeGlu(gate, up) : Ops.SwiGlu(gate, up));
        if (MlpOutputNorm is not null)
            mlp = Ops.RmsNorm(mlp, MlpOutputNorm.Value, Eps, NormOffset);
        return tape.Close(scope, Ops.Add(middle, mlp));
    }
}
