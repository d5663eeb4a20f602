using Marrow.Engine.Training;

namespace Marrow.Host.Progress;

/// <summary>One plain line every so many steps, for logs and pipes: no colour, no cursor movement.</summary>
public sealed class PlainDisplay : ITrainingDisplay
{
    private const int Lines = 40;
    private readonly TextWriter output;
    private readonly TrainingMeter meter;
    private StepReport? last;
    private Func<string>? starting;
    private int written;

    /// <summary>Writes to <paramref name="output"/>; <paramref name="peakFlops"/> is the device's peak per second, where known.</summary>
    public PlainDisplay(TextWriter output, double? peakFlops)
    {
        this.output = output;
        meter = new TrainingMeter(peakFlops);
    }

    /// <inheritdoc/>
    public void Starting(Func<string> state) => starting = state;

    /// <inheritdoc/>
    public void Step(StepReport report)
    {
        bool first = last is null;
        if (first && starting is not null)
            output.WriteLine(starting());
        last = report;
        meter.Add(report);
        int every = Math.Max(1, report.TotalSteps / Lines);
        if (first || report.Step % every == 0 || report.Step == report.TotalSteps)
            Write(report);
    }

    /// <inheritdoc/>
    public void Evaluated(int step, double loss) => output.WriteLine($"step {step}  eval loss {Quantity.Loss(loss)}");

    /// <summary>Writes the last step, if it has not been written.</summary>
    public void Dispose()
    {
        if (last is { } report && report.Step != written)
            Write(report);
        output.Flush();
    }

    private void Write(StepReport report)
    {
        written = report.Step;
        string share = meter.ShareOfPeak(report) is { } s ? $"  {Quantity.Short(100 * s)}% of peak" : "";
        output.WriteLine($"step {report.Step}/{report.TotalSteps}  loss {Quantity.Loss(report.Loss)} (smooth {Quantity.Loss(meter.SmoothedLoss)})  "
            + $"lr {Quantity.Rate(report.LearningRate)}  grad {Quantity.Short(report.GradNorm)}  "
            + $"{Quantity.Short(report.TokensPerSecond)} tokens/s{share}  {Quantity.Bytes(report.PeakBytes)}  {Quantity.Time(meter.TimeLeft(report))} left");
    }
}
