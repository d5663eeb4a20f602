using System.Text.Json;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Host.Jobs;
using Marrow.Host.Progress;
using Marrow.Host.Runs;

namespace Marrow.Host.Tests.Runs;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_run_leaves_every_file()
    {
        using (RunFolder run = Run(RunStart.New, steps: 3))
            run.End(RunStatus.Completed);
        Assert.Equal(File.ReadAllText(folder["job.yaml"]), File.ReadAllText(folder["run", "job.yaml"]));
        Assert.Equal("runs a long way", JsonDocument.Parse(File.ReadAllText(folder["run", "manifest.json"])).RootElement.GetProperty("device").GetString());
        var manifest = RunManifest.Read(folder["run", "manifest.json"]);
        Assert.Equal((RunStatus.Completed, 3), (manifest.Status, manifest.Steps));
        Assert.True(manifest.EndedAt >= manifest.StartedAt);
        Assert.Equal(FileHash.Of(folder["run", "resolved.yaml"]).Sha256, manifest.Config);
        Assert.Equal(
            """{"step":1,"loss":1,"grad_norm":0.25,"learning_rate":0.001,"tokens":64,"tokens_per_second":128}""",
            File.ReadAllLines(folder["run", "metrics.jsonl"])[0]);
        Assert.StartsWith("<svg", File.ReadAllText(folder["run", "loss.svg"]), StringComparison.Ordinal);
        Assert.Equal(["job.yaml", "loss.svg", "manifest.json", "metrics.jsonl", "resolved.yaml"],
            Directory.EnumerateFileSystemEntries(folder["run"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Metrics_can_be_read_while_the_run_goes_on()
    {
        using RunFolder run = Run(RunStart.New, steps: 2);
        run.Evaluated(2, 0.75);
        using var reader = new StreamReader(new FileStream(folder["run", "metrics.jsonl"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        Assert.Equal("""{"step":2,"eval_loss":0.75}""", reader.ReadToEnd().TrimEnd().Split('\n')[^1]);
    }

    [Fact]
    public void A_second_run_is_refused_with_the_remedy_and_changes_nothing()
    {
        Run(RunStart.New, steps: 2).Dispose();
        string before = File.ReadAllText(folder["run", "metrics.jsonl"]);
        MarrowException error = Assert.Throws<MarrowException>(() => Open(RunStart.New));
        Assert.Equal("RN001", error.Code);
        Assert.Contains("--resume", error.Message, StringComparison.Ordinal);
        Assert.Contains("--overwrite", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(folder["run", "metrics.jsonl"]));
    }

    [Fact]
    public void Resuming_cuts_the_steps_that_come_again()
    {
        using (RunFolder run = Run(RunStart.New, steps: 5))
            run.Evaluated(4, 0.5);
        File.AppendAllText(folder["run", "metrics.jsonl"], "{\"step\":6,\"lo");
        using (RunFolder run = Run(RunStart.Resume, steps: 6, after: 3))
            run.End(RunStatus.Cancelled);
        int[] steps = [.. File.ReadAllLines(folder["run", "metrics.jsonl"]).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("step").GetInt32())];
        Assert.Equal([1, 2, 3, 4, 5, 6], steps);
        var manifest = RunManifest.Read(folder["run", "manifest.json"]);
        Assert.Equal([3], manifest.ResumedAfterSteps);
        Assert.Equal((RunStatus.Cancelled, 6), (manifest.Status, manifest.Steps));
    }

    [Fact]
    public void Resuming_needs_a_run_and_the_same_job()
    {
        Assert.Equal("RN003", Assert.Throws<MarrowException>(() => Open(RunStart.Resume)).Code);
        Run(RunStart.New, steps: 1).Dispose();
        MarrowException error = Assert.Throws<MarrowException>(() => Open(RunStart.Resume, "adapter.r=4"));
        Assert.Equal("RN006", error.Code);
        Assert.Contains("adapter.r: 16, now 4", error.Message, StringComparison.Ordinal);
        Open(RunStart.Resume, "training.save_steps=1").Dispose();
    }

    [Fact]
    public void Overwriting_removes_the_old_results_and_nothing_else()
    {
        using (RunFolder run = Run(RunStart.New, steps: 4))
            Directory.CreateDirectory(Path.Combine(run.Checkpoints, "step-2"));
        File.WriteAllText(folder["run", "notes.txt"], "mine");
        Run(RunStart.Overwrite, steps: 1).Dispose();
        Assert.Single(File.ReadAllLines(folder["run", "metrics.jsonl"]));
        Assert.False(Directory.Exists(folder["run", "checkpoints"]));
        Assert.True(File.Exists(folder["run", "notes.txt"]));
    }

    [Theory]
    [InlineData(RunStart.New)]
    [InlineData(RunStart.Overwrite)]
    public void A_folder_that_holds_other_things_is_never_touched(RunStart start)
    {
        Directory.CreateDirectory(folder["run", "adapter"]);
        Assert.Equal("RN002", Assert.Throws<MarrowException>(() => Open(start)).Code);
        File.WriteAllText(folder["run", "manifest.json"], "{\"name\": \"a web app\"}");
        Assert.Contains("RN00", Assert.Throws<MarrowException>(() => Open(start)).Code, StringComparison.Ordinal);
        Assert.True(Directory.Exists(folder["run", "adapter"]));
    }

    [Fact]
    public void Two_processes_cannot_share_a_run()
    {
        using RunFolder run = Run(RunStart.New, steps: 1);
        Assert.Equal("RN004", Assert.Throws<MarrowException>(() => Open(RunStart.Resume)).Code);
    }

    [Fact]
    public void A_foreign_line_in_the_metrics_is_refused()
    {
        Run(RunStart.New, steps: 1).Dispose();
        File.AppendAllText(folder["run", "metrics.jsonl"], "hello\n");
        Assert.Equal("RN005", Assert.Throws<MarrowException>(() => Run(RunStart.Resume, steps: 2, after: 1)).Code);
        using RunFolder again = Open(RunStart.Resume);
    }

    [Fact]
    public void A_loss_that_is_not_a_number_survives_the_file()
    {
        using (RunFolder run = Run(RunStart.New, steps: 0))
        {
            run.Step(Report(1) with { Loss = double.NaN, GradNorm = double.PositiveInfinity });
            run.End(RunStatus.Failed, "the loss is not a number");
        }
        Assert.Contains("\"loss\":\"NaN\",\"grad_norm\":\"Infinity\"", File.ReadAllText(folder["run", "metrics.jsonl"]), StringComparison.Ordinal);
        Run(RunStart.Resume, steps: 2, after: 1).Dispose();
    }

    private RunFolder Open(RunStart start, params string[] settings)
    {
        string job = folder.Put("job.yaml", "model: { path: m }\ndata: { train: t }\noutput: { dir: x } # mine\n");
        return RunFolder.Open(JobFile.Load(job, [$"output.dir={folder["run"]}", .. settings]), start, TimeProvider.System);
    }

    private RunFolder Run(RunStart start, int steps, int after = 0)
    {
        RunFolder run = Open(start);
        try
        {
            run.Begin(new RunManifest { Device = "runs a long way" }, after);
            for (int step = after + 1; step <= steps; step++)
                run.Step(Report(step));
            run.Save();
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    private static StepReport Report(int step) => new(step, 10, 1.0 / step, 0.25, 1e-3, 64, 32, 1e6, 1 << 20, TimeSpan.FromSeconds(0.5));
}
