namespace Marrow.Engine.Training;

/// <summary>
/// The learning rate of every update, as transformers' get_constant_, get_linear_, get_cosine_schedule_with_warmup and
/// get_cosine_with_min_lr_schedule_with_warmup give it. Their scheduler counts from 0, so update n (from 1) uses the factor of
/// index n − 1: with warm-up the first update has rate 0, and a linear or cosine run's last update does not quite reach the minimum.
/// </summary>
/// <param name="Schedule">The course after warm-up.</param>
/// <param name="Base">The highest rate.</param>
/// <param name="WarmupSteps">Updates over which the rate grows in a line from 0.</param>
/// <param name="TotalSteps">Updates of the whole run.</param>
/// <param name="MinimumRatio">The rate that linear and cosine fall to, as a part of <paramref name="Base"/>.</param>
public sealed record LearningRate(LearningRateSchedule Schedule, double Base, int WarmupSteps, int TotalSteps, double MinimumRatio = 0)
{
    /// <summary>The rate of update <paramref name="update"/>, counted from 1.</summary>
    public double At(int update) => Base * Factor(update - 1);

    private double Factor(int index)
    {
        if (index < WarmupSteps)
            return (double)index / WarmupSteps;
        double progress = Math.Min(1, (double)(index - WarmupSteps) / Math.Max(1, TotalSteps - WarmupSteps));
        double course = Schedule switch
        {
            LearningRateSchedule.Linear => 1 - progress,
            LearningRateSchedule.Cosine => 0.5 * (1 + Math.Cos(Math.PI * progress)),
            _ => 1,
        };
        return course * (1 - MinimumRatio) + MinimumRatio;
    }
}
