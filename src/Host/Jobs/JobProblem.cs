namespace Marrow.Host.Jobs;

/// <summary>One thing that is wrong with a job.</summary>
/// <param name="Code">Its stable code, "JB004".</param>
/// <param name="Place">"file:line:column", or the override it came from.</param>
/// <param name="Key">The key ("training.learning_rate"), where one is concerned.</param>
/// <param name="Message">What is wrong and the remedy.</param>
public sealed record JobProblem(string Code, string Place, string? Key, string Message)
{
    /// <summary>"job.yaml:4:3: training.learning_rat: unknown key; did you mean learning_rate? [JB004]".</summary>
    public override string ToString() => $"{Place}: {(Key is null ? "" : $"{Key}: ")}{Message} [{Code}]";
}
