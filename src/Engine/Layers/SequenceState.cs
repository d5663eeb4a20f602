namespace Marrow.Engine.Layers;

/// <summary>What a model remembers of the tokens of earlier passes: keys and values, or a recurrent state.</summary>
public abstract class SequenceState : IDisposable
{
    /// <summary>Positions read so far.</summary>
    public int Length { get; private set; }

    /// <summary>Counts <paramref name="positions"/> more as read, once all layers have theirs.</summary>
    public virtual void Advance(int positions) => Length += positions;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts anew: nothing read.</summary>
    protected void Forget() => Length = 0;

    /// <summary>Frees what it holds.</summary>
    protected abstract void Dispose(bool disposing);
}
