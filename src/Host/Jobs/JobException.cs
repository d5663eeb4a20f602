using Marrow.Formats;

namespace Marrow.Host.Jobs;

/// <summary>A job that cannot be run as written; it lists every problem found, in the order of the file.</summary>
public sealed class JobException : MarrowException
{
    /// <summary>Creates the error; <see cref="MarrowException.Code"/> is that of the first problem.</summary>
    /// <param name="problems">At least one.</param>
    public JobException(IReadOnlyList<JobProblem> problems)
        : base(problems[0].Code, Text(problems)) => Problems = problems;

    /// <summary>Every problem, at least one.</summary>
    public IReadOnlyList<JobProblem> Problems { get; }

    private static string Text(IReadOnlyList<JobProblem> problems) => problems.Count == 1
        ? problems[0].ToString()
        : $"the job has {problems.Count} problems\n{string.Join('\n', problems.Select(p => $"  {p}"))}";
}
