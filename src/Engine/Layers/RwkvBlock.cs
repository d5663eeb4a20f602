using Marrow.Engine.Autograd;
using Marrow.Engine.Models;

namespace Marrow.Engine.Layers;

/// <summary>x += timeMixing(norm(x)); x += channelMixing(norm(x)): one layer of an RWKV model.</summary>
public abstract class RwkvBlock : ISegment
{
    private readonly Weight _weight1, _bias1, _weight2, _bias2;
    private readonly float _eps;
    private Rows _rows;
    private Tensor? _first;

    /// <summary>Block <paramref name="index"/> of <paramref name="model"/>.</summary>
    protected RwkvBlock(Rwkv model, int index)
    {
        Index = index;
        _eps = model.NormEps;
        (_weight1, _bias1) = model.Norm($"blocks.{index}.ln1");
        (_weight2, _bias2) = model.Norm($"blocks.{index}.ln2");
    }

    /// <summary>The layer's number.</summary>
    protected int Index { get; }

    /// <summary>
    /// Runs the block. <paramref name="first"/> is what block 0 hands to all others (RWKV-7's values); null in block 0, which sets it.
    /// With <paramref name="checkpoint"/> backward computes the block again; block 0 is computed once where it hands something on.
    /// </summary>
    public Tensor Forward(Tensor x, in Rows rows, ref Tensor? first, bool checkpoint)
    {
        _rows = rows;
        if (first is not null || !HandsOn)
            return checkpoint ? Checkpoint.Run(this, x, first) : ((ISegment)this).Forward(x, first);
        Tensor y = ((ISegment)this).Forward(x, null);
        first = _first;
        return y;
    }

    Tensor ISegment.Forward(Tensor x, Tensor? first)
    {
        _first = first;
        Tape tape = x.Tape!;
        int scope = tape.Open();
        bool hands = first is null && HandsOn;
        Tensor middle = Ops.Add(x, TimeMixing(Ops.LayerNorm(x, _weight1.Value, _bias1.Value, _eps), _rows, ref _first));
        if (hands)
            tape.Close(scope, _first!, middle);
        else
            tape.Close(scope, middle);
        scope = tape.Open();
        return tape.Close(scope, Ops.Add(middle, ChannelMixing(Ops.LayerNorm(middle, _weight2.Value, _bias2.Value, _eps), _rows)));
    }

    /// <summary>Whether block 0 hands a tensor to all others.</summary>
    protected virtual bool HandsOn => false;

    /// <summary>Mixing over time, z: [N, C] → [N, C].</summary>
    protected abstract Tensor TimeMixing(Tensor z, in Rows rows, ref Tensor? first);

    /// <summary>Mixing over channels, z: [N, C] → [N, C].</summary>
    protected abstract Tensor ChannelMixing(Tensor z, in Rows rows);

    /// <summary>The rows before each sequence's first, for a token shift; null for zeros. Leaves the last rows of <paramref name="z"/> for the next pass.</summary>
    protected Tensor? Shift(Tensor z, in Rows rows, bool channel)
    {
        if (rows.State is not RecurrentState state)
            return null;
        Tensor? before = state.IsFresh ? null : channel ? state.Channel(Index) : state.Attention(Index);
        Ops.KeepLast(z, rows.Starts, before, channel ? state.NextChannel(Index) : state.NextAttention(Index));
        return before;
    }

    /// <summary>The WKV state that this pass starts from.</summary>
    protected Tensor? StateBefore(in Rows rows, InitialState initial) =>
        rows.State is RecurrentState { IsFresh: false } state ? state.Wkv(Index) : initial.Value;
}
