namespace Marrow.Formats.Datasets;

/// <summary>Collects what the reading of one file finds: every finding is counted, the first ones of each sort are kept.</summary>
internal sealed class IssueLog
{
    private const int Kept = 100;
    private const int OnceKept = 256;
    private readonly List<DatasetIssue> _errors = [];
    private readonly List<DatasetIssue> _warnings = [];
    private readonly HashSet<string> _once = [];

    /// <summary>The line that is being read, from 1.</summary>
    public int Line { get; set; }

    /// <summary>What is counted as lines.</summary>
    public string Unit { get; set; } = "line";

    public int ErrorCount { get; private set; }

    public int WarningCount { get; private set; }

    public IReadOnlyList<DatasetIssue> Errors => _errors;

    public IReadOnlyList<DatasetIssue> Warnings => _warnings;

    public void Error(RowException e)
    {
        ErrorCount++;
        if (_errors.Count < Kept)
            _errors.Add(new DatasetIssue(Line, e.Column, e.Code, e.Message) { Unit = Unit });
    }

    public void Warn(string code, string message)
    {
        WarningCount++;
        if (_warnings.Count < Kept)
            _warnings.Add(new DatasetIssue(Line, null, code, message) { Unit = Unit });
    }

    /// <summary>Warns the first time only that this code comes up for this subject.</summary>
    public void WarnOnce(string code, string subject, string message)
    {
        // The set is bounded because the subjects come from the file.
        if (_once.Count < OnceKept && _once.Add($"{code} {subject}"))
            Warn(code, message);
    }
}
