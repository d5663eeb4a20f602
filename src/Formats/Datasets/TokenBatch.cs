namespace Marrow.Formats.Datasets;

/// <summary>
/// A micro-batch without padding: whole examples one after the other in flat arrays. The arrays are reused from batch to batch and
/// may be longer than what is filled, so read them by <see cref="TokenCount"/> and <see cref="Count"/>, and take them anew after
/// every <see cref="Fill"/>.
/// </summary>
public sealed class TokenBatch
{
    /// <summary>Token ids, <see cref="TokenCount"/> of them.</summary>
    public int[] Tokens { get; private set; } = [];

    /// <summary>Labels at the same positions, −100 where not trained, not shifted: the token at t predicts the label at t + 1 of the same example.</summary>
    public int[] Labels { get; private set; } = [];

    /// <summary>The position of each token in its example, from 0.</summary>
    public int[] Positions { get; private set; } = [];

    /// <summary>Where each example starts, and after the last one <see cref="TokenCount"/>: <see cref="Count"/> + 1 entries.</summary>
    public int[] Starts { get; private set; } = [0];

    /// <summary>The index of each example in its dataset: <see cref="Count"/> entries.</summary>
    public int[] Examples { get; private set; } = [];

    /// <summary>The number of examples.</summary>
    public int Count { get; private set; }

    /// <summary>The number of tokens.</summary>
    public int TokenCount { get; private set; }

    /// <summary>The trained targets: labels that count, except at the first position of an example.</summary>
    public int Targets { get; private set; }

    /// <summary>Makes room, so that batches up to this size allocate nothing.</summary>
    public void Reserve(int tokens, int examples)
    {
        if (Tokens.Length < tokens)
        {
            int size = (int)Math.Min(Math.Max(tokens, Tokens.Length * 2L), Array.MaxLength);
            Tokens = new int[size];
            Labels = new int[size];
            Positions = new int[size];
        }
        if (Starts.Length < examples + 1)
            Starts = new int[Math.Max(examples + 1, Starts.Length * 2)];
        if (Examples.Length < examples)
            Examples = new int[Starts.Length];
    }

    /// <summary>Replaces the contents by the examples <paramref name="indices"/> of <paramref name="data"/>, in this order.</summary>
    public void Fill(TokenDataset data, ReadOnlySpan<int> indices)
    {
        ArgumentNullException.ThrowIfNull(data);
        int total = 0;
        foreach (int index in indices)
            total = checked(total + data.Length(index));
        Reserve(total, indices.Length);
        (Count, TokenCount, Targets) = (indices.Length, total, 0);
        int at = 0;
        for (int i = 0; i < indices.Length; i++)
        {
            TokenSpans example = data[indices[i]];
            Starts[i] = at;
            Examples[i] = indices[i];
            example.Ids.CopyTo(Tokens.AsSpan(at));
            example.Labels.CopyTo(Labels.AsSpan(at));
            for (int t = 0; t < example.Length; t++)
                Positions[at + t] = t;
            Targets += example.Targets;
            at += example.Length;
        }
        Starts[indices.Length] = total;
    }
}
