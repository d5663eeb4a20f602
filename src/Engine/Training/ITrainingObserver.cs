namespace Marrow.Engine.Training;

/// <summary>Who is told of a run's events and writes its files. Called on the training thread, between steps.</summary>
public interface ITrainingObserver
{
    /// <summary>A step's update is applied.</summary>
    void StepDone(in StepReport report);

    /// <summary>An evaluation after step <paramref name="step"/>; <paramref name="best"/> when no earlier one had a lower loss.</summary>
    void Evaluated(int step, Evaluation evaluation, bool best);

    /// <summary>The time for a checkpoint: <see cref="TrainingOptions.SaveSteps"/> have gone by, or the run was cancelled.</summary>
    void CheckpointDue(Trainer trainer);
}
