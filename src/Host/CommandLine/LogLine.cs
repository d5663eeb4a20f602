using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Marrow.Host.CommandLine;

/// <summary>Writes log entries as the program's other messages are: "marrow: warning: …".</summary>
internal sealed class LogLine() : ConsoleFormatter(FormatterName)
{
    /// <summary>The name it is chosen by.</summary>
    public const string FormatterName = "marrow";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        string kind = logEntry.LogLevel switch
        {
            LogLevel.Warning => "warning: ",
            LogLevel.Error or LogLevel.Critical => "error: ",
            LogLevel.Trace or LogLevel.Debug => "debug: ",
            _ => "",
        };
        textWriter.WriteLine($"marrow: {kind}{logEntry.Formatter(logEntry.State, logEntry.Exception)}");
        if (logEntry.Exception is not null)
            textWriter.WriteLine(logEntry.Exception);
    }
}
