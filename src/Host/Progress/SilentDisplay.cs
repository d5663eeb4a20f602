using Marrow.Engine.Training;

namespace Marrow.Host.Progress;

/// <summary>Shows nothing: under --json standard output belongs to the result.</summary>
public sealed class SilentDisplay : ITrainingDisplay
{
    /// <inheritdoc/>
    public void Starting(Func<string> state)
    {
    }

    /// <inheritdoc/>
    public void Step(StepReport report)
    {
    }

    /// <inheritdoc/>
    public void Evaluated(int step, double loss)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
