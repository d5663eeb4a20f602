using Marrow.Formats.Datasets;
using Marrow.Host.Jobs;

namespace Marrow.Host.Training;

/// <summary>How many optimizer steps a job has: max_steps, or what its epochs make, whichever ends first.</summary>
internal static class StepCount
{
    public static int Of(TrainingSpec training, BatchPlan batches)
    {
        int most = training.MaxSteps ?? int.MaxValue;
        if (training.Epochs is not { } epochs)
            return most;
        int perStep = training.GradientAccumulationSteps, whole = (int)Math.Min(Math.Floor(epochs), 1 << 20);
        double rest = epochs - whole;
        long steps = batches.CountSteps(whole, perStep);
        if (rest > 0)
            steps += (long)Math.Ceiling(rest * (batches.CountSteps(whole + 1, perStep) - steps));
        return (int)Math.Clamp(steps, 1, most);
    }

    /// <summary>The batches of a job's training data in their order.</summary>
    public static BatchPlan Batches(JobSpec job, TokenDataset data) => new(
        data, new DataOrder(data.Count, job.Training.Seed, job.Data.Shuffle), job.Training.BatchSize, job.Data.Packing ? new Packing(job.Data.MaxLength) : null);
}
