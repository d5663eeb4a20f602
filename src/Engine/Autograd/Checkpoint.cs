namespace Marrow.Engine.Autograd;

/// <summary>A part of a model that can be computed again from its input: usually one block.</summary>
public interface ISegment
{
    /// <summary>The segment's forward, x: [N, C] → [N, C].</summary>
    Tensor Forward(Tensor x);
}

/// <summary>
/// Activation checkpointing: a segment's forward runs without recording, only its input is kept, and backward computes it again
/// (spec/architectures.md §1.4; about a third more work per step).
/// </summary>
public static class Checkpoint
{
    /// <summary>Runs <paramref name="segment"/> on <paramref name="x"/>, to be computed again in backward.</summary>
    public static Tensor Run(ISegment segment, Tensor x)
    {
        Tape tape = x.Tape!;
        if (!tape.Recording)
            return segment.Forward(x);
        tape.Recording = false;
        Tensor y = segment.Forward(x);
        tape.Recording = true;
        var node = tape.Rent<CheckpointNode>();
        node.Segment = segment;
        node.X = node.Save(x);
        tape.Record(node, y);
        return y;
    }

    private sealed class CheckpointNode : Node
    {
        public ISegment Segment = null!;
        public Tensor X = null!;

        protected internal override void Backward(Tensor grad)
        {
            int mark = Tape.Count;
            Tensor x = Tape.Alias(X);
            x.NeedsGrad = X.NeedsGrad;
            Tape.Recording = true;
            Tensor y = Segment.Forward(x);
            Tape.BackwardFrom(y, grad, mark);
            if (x.Grad is { } dx)
            {
                PassGrad(X, dx);
                Tape.DropGrad(x);
            }
        }
    }
}
