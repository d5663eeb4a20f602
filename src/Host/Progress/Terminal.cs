using Spectre.Console;

namespace Marrow.Host.Progress;

/// <summary>Whether there is somebody at a terminal to draw for.</summary>
internal static class Terminal
{
    /// <summary>
    /// A console that draws on <paramref name="output"/>, or null where plain text is due: a pipe, a file, TERM=dumb.
    /// NO_COLOR takes its colours away.
    /// </summary>
    public static IAnsiConsole? On(TextWriter output)
    {
        if (Console.IsOutputRedirected || !ReferenceEquals(output, Console.Out) || Environment.GetEnvironmentVariable("TERM") == "dumb")
            return null;
        bool noColor = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            ColorSystem = noColor ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
        });
        return console.Profile.Capabilities.Ansi ? console : null;
    }
}
