using Marrow.Engine.Training;
using Marrow.Host.Models;
using Marrow.Host.Progress;
using Marrow.Host.Runs;

namespace Marrow.Host.Training;

/// <summary>Writes a run's metrics, checkpoints and picture, and shows it.</summary>
internal sealed class RunRecorder(RunFolder run, LoadedModel loaded, CheckpointStore checkpoints, string identity, ITrainingDisplay display) : ITrainingObserver
{
    private TimeSpan time;
    private long tokens;

    /// <summary>Tokens per second over all steps of this process.</summary>
    public double TokensPerSecond => tokens / Math.Max(time.TotalSeconds, 1e-9);

    /// <inheritdoc/>
    public void StepDone(in StepReport report)
    {
        time += report.Elapsed;
        tokens += report.Tokens;
        run.Step(report);
        display.Step(report);
    }

    /// <inheritdoc/>
    public void Evaluated(int step, Evaluation evaluation, bool best)
    {
        run.Evaluated(step, evaluation.Loss);
        display.Evaluated(step, evaluation.Loss);
    }

    /// <inheritdoc/>
    public void CheckpointDue(Trainer trainer)
    {
        checkpoints.Save(trainer, identity);
        run.Save(loaded.Use);
    }
}
