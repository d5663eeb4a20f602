using Marrow.Engine.Autograd;

namespace Marrow.Engine.Layers;

/// <summary>x += attention(norm(x)); x += down(silu(gate(norm(x))) ∘ up(norm(x))): one layer of the Llama family.</summary>
public sealed class DecoderBlock : ISegment
{
    private Rows _rows;

    /// <summary>The norm before attention, [C].</summary>
    public required Weight AttentionNorm { get; init; }

    /// <summary>Self-attention.</summary>
    public required AttentionLayer Attention { get; init; }

    /// <summary>The norm before the MLP, [C].</summary>
    public required Weight MlpNorm { get; init; }

    /// <summary>The gate projection, [F, C].</summary>
    public required LinearLayer Gate { get; init; }

    /// <summary>The up projection, [F, C].</summary>
    public required LinearLayer Up { get; init; }

    /// <summary>The down projection, [C, F].</summary>
    public required LinearLayer Down { get; init; }

    /// <summary>The epsilon of both norms.</summary>
    public required float Eps { get; init; }

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
        Tensor attended = Attention.Forward(Ops.RmsNorm(x, AttentionNorm.Value, Eps), _rows);
        Tensor h = Ops.AddRmsNorm(x, attended, MlpNorm.Value, Eps, out Tensor middle);
        tape.Close(scope, middle, h);
        Tensor mlp = Down.Forward(Ops.SwiGlu(Gate.Forward(h), Up.Forward(h)));
        return tape.Close(scope, Ops.Add(middle, mlp));
    }
}
