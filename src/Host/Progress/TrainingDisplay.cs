namespace Marrow.Host.Progress;

/// <summary>Chooses how a run is shown.</summary>
public static class TrainingDisplay
{
    /// <summary>
    /// Nothing under --json, a live panel on a terminal, plain lines elsewhere. NO_COLOR takes the colours away and
    /// TERM=dumb the panel.
    /// </summary>
    public static ITrainingDisplay Create(TextWriter output, bool json, string title, double? peakFlops) =>
        json ? new SilentDisplay()
        : Terminal.On(output) is { } console ? new PanelDisplay(console, title, peakFlops)
        : new PlainDisplay(output, peakFlops);
}
