using Marrow.Engine.Autograd;

namespace Marrow.Engine.Layers;

/// <summary>What every block of a pass needs to know of its rows.</summary>
/// <param name="Positions">[N] i32, the position of each row in its sequence.</param>
/// <param name="Starts">[S+1] i32, the first row of each sequence and N.</param>
/// <param name="State">What earlier passes left; null where sequences begin and end in this pass.</param>
public readonly record struct Rows(Tensor Positions, Tensor Starts, SequenceState? State);

/// <summary>Self-attention with rotary positions, grouped heads, optional q/k norm and window (spec/architectures.md §2.2).</summary>
public sealed class AttentionLayer
{
    /// <summary>The query projection, [Heads·d, C].</summary>
    public required LinearLayer Query { get; init; }

    /// <summary>The key projection, [KvHeads·d, C].</summary>
    public required LinearLayer Key { get; init; }

    /// <summary>The value projection, [KvHeads·d, C].</summary>
    public required LinearLayer Value { get; init; }

    /// <summary>The output projection, [C, Heads·d].</summary>
    public required LinearLayer Output { get; init; }

    /// <summary>The norm of each query head [d], where the model has one.</summary>
    public Weight? QueryNorm { get; init; }

    /// <summary>The norm of each key head [d], where the model has one.</summary>
    public Weight? KeyNorm { get; init; }

    /// <summary>Heads, width, scale and window.</summary>
    public required AttentionShape Shape { get; init; }

    /// <summary>The epsilon of the head norms.</summary>
    public required float Eps { get; init; }

    /// <summary>The layer's place in the cache.</summary>
    public required int Index { get; init; }

    /// <summary>What the head norms add to their weights.</summary>
    public float NormOffset { get; init; }

    /// <summary>The rotary table, shared with other layers.</summary>
    public required RopeTable Rope { get; init; }

    /// <summary>x: [N, C] → [N, C].</summary>
    public Tensor Forward(Tensor x, in Rows rows)
    {
        Tensor q = Rotate(Query.Forward(x), QueryNorm, rows.Positions);
        Tensor k = Rotate(Key.Forward(x), KeyNorm, rows.Positions);
        Tensor v = Value.Forward(x);
        if (rows.State is not KeyValueCache cache)
            return Output.Forward(Ops.Attention(q, k, v, rows.Starts, Shape));
        cache.Store(Index, k, v);
        return Output.Forward(Ops.CachedAttention(q, cache.Keys(Index), cache.Values(Index), cache.Length, Shape));
    }

    private Tensor Rotate(Tensor x, Weight? norm, Tensor positions) =>
        Ops.Rope(norm is null ? x : Ops.RmsNorm(x, norm.Value, Eps, NormOffset), positions, Rope.Cos, Rope.Sin);
}
