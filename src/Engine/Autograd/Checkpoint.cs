namespace Marrow.Engine.Autograd;

/// <summary>A part of a model that can be computed again from its input: usually one block.</summary>
public interface ISegment
{
    /// <summary>The segment's forward, x: [N, C] → [N, C]; <paramref name="side"/> is what it reads of an earlier segment, where it does.</summary>
    Tensor Forward(Tensor x, Tensor? side);
}

/// <summary>
/// Activation checkpointing: a segment's forward runs without recording, only its input is kept, and backward computes it again
/// (spec/architectures.md §1.4; about a third more work per step).
/// </summary>
public static class Checkpoint
{
    /// <summary>Runs <paramref name="segment"/> on <paramref name="x"/>, to be computed again in backward.</summary>
    public static Tensor Run(ISegment segment, Tensor x, Tensor? side = null)
    {
        Tape tape = x.Tape!;
        if (!tape.Recording)
            return segment.Forward(x, side);
        tape.Recording = false;
        Tensor y = segment.Forward(x, side);
        tape.Recording = true;
        var node = tape.Rent<CheckpointNode>();
        node.Segment = segment;
        node.X = node.Save(x);
        node.Side = side is null ? null : node.Save(side);
        tape.Record(node, y);
        return y;
    }

    private sealed class CheckpointNode : Node
    {
        public ISegment Segment = null!;
        public Tensor X = null!;
        public Tensor? Side;

        protected internal override void Backward(Tensor grad)
        {
            int mark = Tape.Count;
            Tensor x = Input(X);
            Tensor? side = Side is null ? null : Input(Side);
            Tape.Recording = true;
            Tensor y = Segment.Forward(x, side);
            Tape.BackwardFrom(y, grad, mark);
            Hand(x, X);
            if (side is not null)
                Hand(side, Side!);
        }

        private Tensor Input(Tensor of)
        {
            Tensor alias = Tape.Alias(of);
            alias.NeedsGrad = of.NeedsGrad;
            return alias;
        }

        private void Hand(Tensor alias, Tensor to)
        {
            if (alias.Grad is not { } grad)
                return;
            PassGrad(to, grad);
            Tape.DropGrad(alias);
        }
    }
}
