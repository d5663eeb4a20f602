using System.Text.Json;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Training;

/// <summary>A run that was stopped in any way ends with the bits of a run that was not.</summary>
public class ResumeTests(ITestOutputHelper output)
{
    private const string Ten = "max_steps: 10, lr_schedule: constant";
    private const string Kept = "max_steps: 150, lr_schedule: cosine, warmup_steps: 5, save_steps: 7, eval_steps: 20";
    private const string Split = ", eval_split: 0.2";

    [Theory]
    [InlineData("method: bone, r: 4")]
    [InlineData("method: lora, r: 4, lora_dropout: 0.1, init_weights: gaussian")]
    [InlineData("method: full")]
    public void Stopped_after_five_steps_and_resumed_equals_ten_at_once(string adapter)
    {
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        string whole = TinyModel.WriteJob(folder, "whole", adapter, Ten), parts = TinyModel.WriteJob(folder, "parts", adapter, Ten);
        Succeed("train", whole);
        Succeed("train", parts, "--set", "training.max_steps=5");
        MarrowProcess.Result refused = MarrowProcess.Run("train", parts, "--resume", "--set", "training.learning_rate=1");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("training.learning_rate: 0.005, now 1", refused.Errors, StringComparison.Ordinal);
        Succeed("train", parts, "--resume");
        AssertSameRun(folder["whole"], folder["parts"]);
    }

    [Fact]
    public void Killed_at_twenty_random_moments_and_resumed_equals_a_run_left_alone()
    {
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        long start = TimeProvider.System.GetTimestamp();
        MarrowProcess.Result result = MarrowProcess.Run("train", TinyModel.WriteJob(folder, "whole", training: Kept, data: Split), "--json");
        TimeSpan process = TimeProvider.System.GetElapsedTime(start);
        TimeSpan training = TimeSpan.FromSeconds(JsonDocument.Parse(result.Output).RootElement.GetProperty("seconds").GetDouble());
        var random = new Random(20);
        int midway = 0;
        for (int i = 0; i < 20; i++)
        {
            string run = $"killed-{i}", job = TinyModel.WriteJob(folder, run, training: Kept, data: Split);
            using (MarrowProcess victim = MarrowProcess.Start("train", job))
            {
                // Most of a short process is its start; three of four are left alone until training begins.
                while (i % 4 != 0 && victim.Running && !File.Exists(Path.Combine(folder[run], "metrics.jsonl")))
                    Thread.Sleep(5);
                Thread.Sleep((i % 4 == 0 ? process : training) * random.NextDouble());
                victim.Kill();
                victim.Wait();
            }
            bool begun = File.Exists(Path.Combine(folder[run], "manifest.json"));
            midway += Directory.Exists(Path.Combine(folder[run], "checkpoints")) && !Directory.Exists(Path.Combine(folder[run], "adapter")) ? 1 : 0;
            Succeed(["train", job, .. begun ? ["--resume"] : Array.Empty<string>()]);
            AssertSameRun(folder["whole"], folder[run]);
        }
        output.WriteLine($"{midway} of 20 runs were killed between their first checkpoint and their adapter");
    }

    [Fact]
    public void Ctrl_C_ends_with_130_after_a_checkpoint_and_names_the_command_that_resumes()
    {
        if (OperatingSystem.IsWindows())
            return;
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        string job = TinyModel.WriteJob(folder, "stopped", training: "max_steps: 1000000");
        using MarrowProcess process = MarrowProcess.Start("train", job, "--set", "training.seed=3");
        string metrics = Path.Combine(folder["stopped"], "metrics.jsonl");
        while (process.Running && !(File.Exists(metrics) && new FileInfo(metrics).Length > 0))
            Thread.Sleep(10);
        process.Interrupt();
        MarrowProcess.Result result = process.Wait();
        Assert.Equal(130, result.ExitCode);
        Assert.Contains($" train {job} --set training.seed=3 --resume", result.Errors, StringComparison.Ordinal);
        JsonElement manifest = TrainingFiles.Json(Path.Combine(folder["stopped"], "manifest.json"));
        int steps = manifest.GetProperty("steps").GetInt32();
        Assert.Equal("cancelled", manifest.GetProperty("status").GetString());
        Assert.True(Directory.Exists(Path.Combine(folder["stopped"], "checkpoints", $"step-{steps}")));

        Succeed("train", job, "--set", "training.seed=3", "--resume", "--set", $"training.max_steps={steps + 5}");
        Assert.Equal(Enumerable.Range(1, steps + 5).Select(s => (double)s), TrainingFiles.Metric(folder["stopped"], "step"));
    }

    private static void AssertSameRun(string whole, string resumed)
    {
        foreach (string property in new[] { "loss", "grad_norm", "eval_loss", "tokens", "learning_rate" })
            Assert.Equal(TrainingFiles.Metric(whole, property), TrainingFiles.Metric(resumed, property));
        string result = Directory.Exists(Path.Combine(whole, "model")) ? Path.Combine("model", "model.safetensors") : Path.Combine("adapter", "adapter_model.safetensors");
        Assert.Equal(File.ReadAllBytes(Path.Combine(whole, result)), File.ReadAllBytes(Path.Combine(resumed, result)));
        Assert.Equal("completed", TrainingFiles.Json(Path.Combine(resumed, "manifest.json")).GetProperty("status").GetString());
    }

    private static void Succeed(params string[] args)
    {
        MarrowProcess.Result result = MarrowProcess.Run(args);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', args)}: {result.ExitCode}\n{result.Output}\n{result.Errors}");
    }
}
