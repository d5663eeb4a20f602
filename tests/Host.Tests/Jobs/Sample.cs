using Marrow.Host.Jobs;

namespace Marrow.Host.Tests.Jobs;

internal static class Sample
{
    public const string Smallest = "model: { path: m }\ndata: { train: t.jsonl }\noutput: { dir: runs/x }\n";

    public static JobSpec Read(string text, params string[] settings) => JobFile.Parse(text, "job.yaml", settings);

    public static IReadOnlyList<JobProblem> Problems(string text, params string[] settings) =>
        Assert.Throws<JobException>(() => Read(text, settings)).Problems;
}
