using System.Text.Json;
using Marrow.Formats;

namespace Marrow.Host.CommandLine;

/// <summary>What the user is told of an error, and the exit code it gives.</summary>
/// <param name="ExitCode">One of <see cref="CommandLine.ExitCode"/>.</param>
/// <param name="Code">A stable code for scripts.</param>
/// <param name="Message">What was wrong and the remedy.</param>
/// <param name="Details">A stack trace, where the error is a defect of the program.</param>
internal sealed record ErrorReport(int ExitCode, string Code, string Message, string? Details = null)
{
    /// <summary>Errors of a run that began well: a disk that is full, memory that ran out, losses that are not numbers, training that stands still, devices that fail.</summary>
    private static readonly string[] WhileRunning =
    [
        "IO008", "E901", "TR003", "TR011", "TR012", "TR013", "GE003", "DV010", "DV011", "DV012", "DV013", "DV020", "JT001", "JT002", "JT003", "JT004",
    ];

    /// <summary>How an exception is told; <paramref name="cancelled"/> is whether the user asked to stop.</summary>
    public static ErrorReport Of(Exception error, bool cancelled) => error switch
    {
        OperationCanceledException when cancelled => new(CommandLine.ExitCode.Cancelled, "cancelled", "cancelled"),
        MarrowException e => new(WhileRunning.Contains(e.Code) ? CommandLine.ExitCode.Failed : CommandLine.ExitCode.BadInput, e.Code, e.Message),
        OutOfMemoryException => new(CommandLine.ExitCode.Failed, "memory",
            "not enough memory; try a smaller training.batch_size or data.max_length, or training.activation_checkpointing: true"),
        IOException or UnauthorizedAccessException => new(CommandLine.ExitCode.Failed, "io", error.Message, error.ToString()),
        _ => new(CommandLine.ExitCode.Failed, "internal",
            $"an error inside marrow: {error.Message} ({error.GetType().Name})\nPlease report it with the command and what --verbose shows.", error.ToString()),
    };

    /// <summary>Writes it: one JSON document on <paramref name="output"/>, or text on <paramref name="errors"/>.</summary>
    public void Write(bool json, bool verbose, TextWriter output, TextWriter errors)
    {
        if (json)
        {
            output.WriteLine(JsonSerializer.Serialize(new { error = new { code = Code, message = Message } }, JsonText.Options));
        }
        else
        {
            string code = char.IsAsciiLetterUpper(Code[0]) && !Message.Contains($"[{Code}]", StringComparison.Ordinal) ? $" [{Code}]" : "";
            errors.WriteLine(ExitCode == CommandLine.ExitCode.Cancelled ? $"marrow: {Message}" : $"marrow: error: {Message}{code}");
        }
        if (verbose && Details is not null)
            errors.WriteLine(Details);
    }
}
