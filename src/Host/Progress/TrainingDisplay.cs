using Spectre.Console;

namespace Marrow.Host.Progress;

/// <summary>Chooses how a run is shown.</summary>
public static class TrainingDisplay
{
    /// <summary>
    /// Nothing under --json, a live panel on a terminal, plain lines elsewhere. NO_COLOR takes the colours away and
    /// TERM=dumb the panel.
    /// </summary>
    public static ITrainingDisplay Create(TextWriter output, bool json, string title, double? peakFlops)
    {
        if (json)
            return new SilentDisplay();
        if (Console.IsOutputRedirected || !ReferenceEquals(output, Console.Out) || Environment.GetEnvironmentVariable("TERM") == "dumb")
            return new PlainDisplay(output, peakFlops);
        bool noColor = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            ColorSystem = noColor ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
        });
        return console.Profile.Capabilities.Ansi ? new PanelDisplay(console, title, peakFlops) : new PlainDisplay(output, peakFlops);
    }
}
