namespace Marrow.Engine.Training;

/// <summary>What one optimizer step did.</summary>
/// <param name="Step">Its number, from 1.</param>
/// <param name="TotalSteps">Steps of the whole run.</param>
/// <param name="Loss">Mean loss of the step's targets before its update.</param>
/// <param name="GradNorm">L2 norm of the gradient before clipping.</param>
/// <param name="LearningRate">The rate of its update.</param>
/// <param name="Tokens">Tokens that went through the model.</param>
/// <param name="Targets">Tokens that the loss counts.</param>
/// <param name="Flops">Floating-point operations of the matrix products by the usual rule: for each token 4 for every frozen matrix value and 6 for every trained one; recomputation by activation checkpointing is not counted.</param>
/// <param name="PeakBytes">The most bytes that tensors have held on the device since the trainer was made.</param>
/// <param name="Elapsed">Time of the step.</param>
public readonly record struct StepReport(
    int Step, int TotalSteps, double Loss, double GradNorm, double LearningRate, long Tokens, long Targets, double Flops, long PeakBytes, TimeSpan Elapsed)
{
    /// <summary><see cref="Tokens"/> per second.</summary>
    public double TokensPerSecond => Tokens / Math.Max(Elapsed.TotalSeconds, 1e-9);
}
