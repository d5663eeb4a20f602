namespace Marrow.Host.Progress;

/// <summary>What one optimizer step tells of itself.</summary>
/// <param name="Step">The step, from 1.</param>
/// <param name="TotalSteps">Steps that the run will have.</param>
/// <param name="Loss">Token-weighted mean loss of the step, before its update.</param>
/// <param name="GradNorm">Norm of the gradients, before clipping.</param>
/// <param name="LearningRate">The learning rate of the step.</param>
/// <param name="Tokens">Tokens computed in the step.</param>
/// <param name="TokensPerSecond">Their rate.</param>
/// <param name="Flops">Floating-point operations of the step.</param>
/// <param name="PeakBytes">Most memory used so far.</param>
/// <param name="Elapsed">Time since training began in this process.</param>
public sealed record StepReport(
    int Step, int TotalSteps, double Loss, double GradNorm, double LearningRate, long Tokens, double TokensPerSecond,
    double Flops, long PeakBytes, TimeSpan Elapsed);
