using Marrow.Host.Jobs;
using Marrow.Host.Machines;
using Marrow.Host.Progress;
using Marrow.Host.Runs;

namespace Marrow.Host.Training;

/// <summary>A job to be trained.</summary>
/// <param name="Job">The job.</param>
/// <param name="Start">What to do where its run folder holds a run.</param>
/// <param name="Display">Makes what shows the run; given the title and the device's peak in FLOP/s, where known.</param>
/// <param name="DumpKernels">The folder that the text of every kernel used is written to, or null.</param>
internal sealed record TrainingRequest(JobFile Job, RunStart Start, Func<string, double?, ITrainingDisplay> Display, string? DumpKernels = null);

/// <summary>How a run ended.</summary>
/// <param name="Status">completed or cancelled; errors are thrown.</param>
/// <param name="Run">The run folder.</param>
/// <param name="Adapter">The trained adapter's folder, or the model's where all weights were trained; null where there is none yet.</param>
/// <param name="Steps">Optimizer steps done, earlier processes included.</param>
/// <param name="ResumedAfter">The step that this process began after.</param>
/// <param name="Loss">The loss of the last step.</param>
/// <param name="EvalLoss">The loss of the last evaluation, or null.</param>
/// <param name="Seconds">How long this process trained.</param>
/// <param name="TokensPerSecond">The mean rate of this process.</param>
/// <param name="Device">The device, and what it did.</param>
/// <param name="Warnings">What should be known but kept nothing from being done.</param>
internal sealed record RunOutcome(
    RunStatus Status, string Run, string? Adapter, int Steps, int ResumedAfter, double? Loss, double? EvalLoss, double Seconds,
    double TokensPerSecond, DeviceUse Device, IReadOnlyList<string> Warnings);
