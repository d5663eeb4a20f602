namespace Marrow.Adapters;

/// <summary>
/// The change that an adapter makes to a weight [out, in], a row at a time in double precision, so that a merged weight is rounded once.
/// Rows are independent and may be changed on several threads.
/// </summary>
public abstract class WeightChange
{
    /// <summary>Whether <see cref="Undo"/> is possible.</summary>
    public virtual bool CanUndo => true;

    /// <summary>Makes the adapted row of output <paramref name="output"/> from the base's, in place.</summary>
    public abstract void Apply(int output, Span<double> row);

    /// <summary>Makes the base's row from the adapted one, in place.</summary>
    public abstract void Undo(int output, Span<double> row);
}

/// <summary>A change that is a sum: W' = W + ΔW.</summary>
public abstract class WeightDelta : WeightChange
{
    /// <inheritdoc/>
    public sealed override void Apply(int output, Span<double> row) => Add(output, row, 1);

    /// <inheritdoc/>
    public sealed override void Undo(int output, Span<double> row) => Add(output, row, -1);

    /// <summary>Adds <paramref name="factor"/> times the row of ΔW.</summary>
    protected abstract void Add(int output, Span<double> row, double factor);
}
