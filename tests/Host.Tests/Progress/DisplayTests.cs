using Marrow.Engine.Training;
using Marrow.Host.Progress;
using Spectre.Console;

namespace Marrow.Host.Tests.Progress;

public class DisplayTests
{
    [Fact]
    public void Plain_lines_say_everything_without_escape_codes()
    {
        using var output = new StringWriter();
        using (var display = new PlainDisplay(output, peakFlops: 1e9))
        {
            display.Step(Report(1, 2, loss: 2.5));
            display.Evaluated(1, 2.25);
            display.Step(Report(2, 2, loss: 1.5));
        }
        Assert.Equal("""
            step 1/2  loss 2.5000 (smooth 2.5000)  lr 1.2e-3  grad 0.500  200 tokens/s  20.0% of peak  1.5 GiB  0:01 left
            step 1  eval loss 2.2500
            step 2/2  loss 1.5000 (smooth 1.9737)  lr 1.2e-3  grad 0.500  200 tokens/s  20.0% of peak  1.5 GiB  0:00 left

            """.ReplaceLineEndings(), output.ToString());
    }

    [Fact]
    public void Kernels_that_were_compiled_are_told_before_the_first_step()
    {
        using var output = new StringWriter();
        using (var display = new PlainDisplay(output, null))
        {
            int compiled = 0;
            display.Starting(() => $"opencl:0: kernels compiled: {compiled}");
            compiled = 12;
            display.Step(Report(1, 2, loss: 2.5));
            display.Step(Report(2, 2, loss: 1.5));
        }
        string[] lines = output.ToString().TrimEnd().Split(Environment.NewLine);
        Assert.Equal("opencl:0: kernels compiled: 12", lines[0]);
        Assert.Equal(3, lines.Length);
    }

    [Fact]
    public void A_long_run_writes_about_forty_plain_lines_and_always_the_last()
    {
        using var output = new StringWriter();
        using (var display = new PlainDisplay(output, null))
            for (int step = 1; step <= 1234; step++)
                display.Step(Report(step, 5000, loss: 1));
        string[] lines = output.ToString().TrimEnd().Split(Environment.NewLine);
        Assert.Equal(11, lines.Length);
        Assert.StartsWith("step 1/5000", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("step 125/5000", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("step 1234/5000", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void Json_shows_nothing_and_a_pipe_gets_plain_lines()
    {
        using var output = new StringWriter();
        using (ITrainingDisplay silent = TrainingDisplay.Create(output, json: true, "t", null))
            silent.Step(Report(1, 1, 1));
        Assert.Equal("", output.ToString());
        using ITrainingDisplay plain = TrainingDisplay.Create(output, json: false, "t", null);
        Assert.IsType<PlainDisplay>(plain);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_live_panel_ends_with_the_last_state(bool colour)
    {
        using var output = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = AnsiSupport.Yes,
            ColorSystem = colour ? ColorSystemSupport.TrueColor : ColorSystemSupport.NoColors,
        });
        console.Profile.Width = 90;
        using (var display = new PanelDisplay(console, "runs/[first]", 1e9))
        {
            using var seen = new ManualResetEventSlim();
            display.Starting(() =>
            {
                seen.Set();
                return "kernels compiled: 7";
            });
            seen.Wait();
            for (int step = 1; step <= 40; step++)
                display.Step(Report(step, 40, loss: 4.0 / step));
            display.Evaluated(40, 0.5);
        }
        string shown = output.ToString();
        foreach (string part in new[] { "runs/[first]", "kernels compiled: 7", "40/40 (100%)", "(raw 0.1000)", "20.0%", "1.5 GiB", "0.5000 (step 40)", "█", "▁" })
            Assert.Contains(part, shown, StringComparison.Ordinal);
        Assert.Equal(colour, shown.Contains("\u001b[38;", StringComparison.Ordinal));
    }

    [Fact]
    public void The_sparkline_spans_from_low_to_high()
    {
        Assert.Equal("█▅▁", Sparkline.Draw([3, 2, 1], 10));
        Assert.Equal("▁▁", Sparkline.Draw([1, 1], 10));
        Assert.Equal("█▁", Sparkline.Draw([9, 9, 1, 1], 2));
        Assert.Equal("", Sparkline.Draw([], 10));
        Assert.Equal("█ ▁", Sparkline.Draw([2, double.NaN, 1], 10));
    }

    [Fact]
    public void The_smoothed_loss_starts_at_the_first_value_and_skips_nan()
    {
        var smoothed = new SmoothedLoss(0.5);
        Assert.True(double.IsNaN(smoothed.Value));
        Assert.Equal(4, smoothed.Add(4));
        Assert.Equal(2, smoothed.Add(1), 12);
        Assert.Equal(2, smoothed.Add(double.NaN), 12);
    }

    private static StepReport Report(int step, int total, double loss) => new(
        step, total, loss, GradNorm: 0.5, LearningRate: 1.2e-3, Tokens: 100, Targets: 50, Flops: 1e8,
        PeakBytes: 3L << 29, TimeSpan.FromSeconds(0.5));
}
