using Marrow.Engine.Training;

namespace Marrow.Host.Progress;

/// <summary>What the displays work out from the reports: averages, share of peak, time left.</summary>
/// <param name="peakFlops">Floating-point operations per second that the device can do at best; null where it is not known.</param>
internal sealed class TrainingMeter(double? peakFlops)
{
    private readonly SmoothedLoss smoothed = new();
    private readonly List<double> history = [];
    private TimeSpan afterFirst;

    public double SmoothedLoss => smoothed.Value;

    /// <summary>The smoothed loss after each step seen.</summary>
    public IReadOnlyList<double> History => history;

    public (int Step, double Loss)? LastEvaluation { get; private set; }

    public void Add(StepReport report)
    {
        // The first step also warms the program up.
        if (history.Count > 0)
            afterFirst += report.Elapsed;
        history.Add(smoothed.Add(report.Loss));
    }

    public void Evaluated(int step, double loss) => LastEvaluation = (step, loss);

    /// <summary>The share of the device's peak that the step reached, 0 to 1.</summary>
    public double? ShareOfPeak(StepReport report) =>
        peakFlops is > 0 && report.Tokens > 0 ? report.Flops * report.TokensPerSecond / report.Tokens / peakFlops : null;

    /// <summary>The time left, from the mean pace of this process.</summary>
    public TimeSpan TimeLeft(StepReport report)
    {
        int left = Math.Max(0, report.TotalSteps - report.Step);
        return history.Count > 1 ? afterFirst / (history.Count - 1) * left : TimeSpan.FromSeconds(Math.Min(report.Elapsed.TotalSeconds * left, 1e9));
    }
}
