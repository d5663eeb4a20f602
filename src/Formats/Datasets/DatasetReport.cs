using System.Globalization;
using System.Text;

namespace Marrow.Formats.Datasets;

/// <summary>What the lint of a data file found.</summary>
public sealed record DatasetReport
{
    private const int Shown = 20;

    /// <summary>The file, as it was named.</summary>
    public required string Path { get; init; }

    /// <summary>What was read: the JSONL file, or the .idx and .bin of a binidx dataset.</summary>
    public required IReadOnlyList<FileHash> Files { get; init; }

    /// <summary>The kind of its rows; <see cref="DatasetFormat.Auto"/> where no row told.</summary>
    public required DatasetFormat Format { get; init; }

    /// <summary>Lines, blank ones included; items of a binidx dataset.</summary>
    public required int Lines { get; init; }

    /// <summary>Blank lines, which are skipped.</summary>
    public required int BlankLines { get; init; }

    /// <summary>All errors, of which <see cref="Errors"/> holds the first 100.</summary>
    public required int ErrorCount { get; init; }

    /// <summary>All warnings, of which <see cref="Warnings"/> holds the first 100.</summary>
    public required int WarningCount { get; init; }

    /// <summary>The first errors, in file order.</summary>
    public required IReadOnlyList<DatasetIssue> Errors { get; init; }

    /// <summary>The first warnings, in file order.</summary>
    public required IReadOnlyList<DatasetIssue> Warnings { get; init; }

    /// <summary>Does nothing when there are no errors.</summary>
    /// <exception cref="MarrowException">DS003: the first 20 errors and how many there are.</exception>
    public void ThrowIfErrors()
    {
        if (ErrorCount == 0)
            return;
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Path}: {ErrorCount} of {Lines} {Unit}s cannot be used; mend or remove them [DS003]");
        Append(text, Errors, ErrorCount);
        throw new MarrowException("DS003", text.ToString());
    }

    /// <summary>The counts, and the first 20 errors and warnings, one a line.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Path}: {Lines} {Unit}s ({BlankLines} blank), format {Format.ToString().ToLowerInvariant()}, {ErrorCount} errors, {WarningCount} warnings");
        Append(text, Errors, ErrorCount);
        Append(text, Warnings, WarningCount);
        return text.ToString();
    }

    private string Unit => Format == DatasetFormat.BinIdx ? "item" : "line";

    private static void Append(StringBuilder text, IReadOnlyList<DatasetIssue> issues, int total)
    {
        int shown = Math.Min(issues.Count, Shown);
        for (int i = 0; i < shown; i++)
            text.Append("\n  ").Append(issues[i]);
        if (total > shown)
            text.Append(CultureInfo.InvariantCulture, $"\n  … and {total - shown} more");
    }
}
