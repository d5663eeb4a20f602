using System.Threading.Channels;
using Marrow.Engine.Training;
using Spectre.Console;

namespace Marrow.Host.Progress;

/// <summary>One panel on the terminal that is redrawn in place by its own thread, so that training never waits for the screen.</summary>
public sealed class PanelDisplay : ITrainingDisplay
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private readonly Channel<Action> events = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly TrainingMeter meter;
    private readonly IAnsiConsole console;
    private readonly string title;
    private readonly Task drawing;
    private StepReport? last;
    private Func<string>? starting;

    /// <summary>Begins to draw on <paramref name="console"/>; <paramref name="peakFlops"/> is the device's peak per second, where known.</summary>
    public PanelDisplay(IAnsiConsole console, string title, double? peakFlops)
    {
        this.console = console;
        this.title = title;
        meter = new TrainingMeter(peakFlops);
        drawing = Task.Run(DrawAsync);
    }

    /// <inheritdoc/>
    public void Starting(Func<string> state) => events.Writer.TryWrite(() => starting = state);

    /// <inheritdoc/>
    public void Step(StepReport report) => events.Writer.TryWrite(() =>
    {
        last = report;
        meter.Add(report);
    });

    /// <inheritdoc/>
    public void Evaluated(int step, double loss) => events.Writer.TryWrite(() => meter.Evaluated(step, loss));

    /// <summary>Draws the last state and leaves it on the screen.</summary>
    public void Dispose()
    {
        events.Writer.TryComplete();
        drawing.GetAwaiter().GetResult();
    }

    private Task DrawAsync() => console.Live(new Text("")).AutoClear(false).Overflow(VerticalOverflow.Crop).StartAsync(async live =>
    {
        while (starting is not null && last is null || await events.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            while (events.Reader.TryRead(out Action? next))
                next();
            if (last is { } report)
                live.UpdateTarget(Draw(report));
            else if (starting is { } state)
                live.UpdateTarget(new Panel(new Text(state())) { Header = new PanelHeader(Markup.Escape(title)), Border = BoxBorder.Rounded });
            if (last is null && events.Reader.Completion.IsCompleted)
                return;
            await Task.WhenAny(events.Reader.Completion, Task.Delay(Pause)).ConfigureAwait(false);
        }
    });

    private Panel Draw(StepReport report)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap()).AddColumn();
        double share = Math.Clamp((double)report.Step / Math.Max(1, report.TotalSteps), 0, 1);
        Row(grid, "step", $"{report.Step}/{report.TotalSteps} ({100 * share:0}%)", "left", Quantity.Time(meter.TimeLeft(report)));
        Row(grid, "loss", $"{Quantity.Loss(meter.SmoothedLoss)} (raw {Quantity.Loss(report.Loss)})", "gradient norm", Quantity.Short(report.GradNorm));
        Row(grid, "learning rate", Quantity.Rate(report.LearningRate), "tokens/s", Quantity.Short(report.TokensPerSecond));
        string memory = Quantity.Bytes(report.PeakBytes);
        if (meter.ShareOfPeak(report) is { } peak)
            Row(grid, "share of peak", $"{Quantity.Short(100 * peak)}%", "memory", memory);
        else
            Row(grid, "memory", memory, "", "");
        if (meter.LastEvaluation is { } evaluation)
            Row(grid, "eval loss", $"{Quantity.Loss(evaluation.Loss)} (step {evaluation.Step})", "", "");
        int width = Math.Clamp(console.Profile.Width - 8, 10, 60), done = (int)(share * width);
        Paragraph bar = new Paragraph(new string('█', done), new Style(Color.Green)).Append(new string('░', width - done), new Style(Color.Grey));
        var curve = new Text(Sparkline.Draw(meter.History, width), new Style(Color.Green));
        return new Panel(new Rows(bar, grid, curve)) { Header = new PanelHeader(Markup.Escape(title)), Border = BoxBorder.Rounded };
    }

    private static void Row(Grid grid, string a, string aValue, string b, string bValue) =>
        grid.AddRow(Label(a), new Text(aValue), Label(b), new Text(bValue));

    private static Text Label(string text) => new(text, new Style(Color.Grey));
}
