using System.Text.Json;

namespace Marrow.Host.Tests.Training;

/// <summary>Runs of an RWKV model in segments, which carry a state from one to the next.</summary>
public class RwkvResumeTests
{
    private const string Segments = "segment_length: 3, lr_schedule: constant, max_steps: 1000000";

    [Fact]
    public void Stopped_by_Ctrl_C_amid_segments_and_resumed_equals_a_run_left_alone()
    {
        if (OperatingSystem.IsWindows())
            return;
        using TemporaryFolder folder = Files("model.pth", 7);
        string Job(string run) => TinyModel.WriteJob(folder, run, "method: lora, r: 4, lora_dropout: 0.1, init_weights: gaussian", Segments, ", packing: true, max_length: 24", model: folder["model.pth"]);
        string parts = Job("parts");
        using MarrowProcess process = MarrowProcess.Start("train", parts);
        string metrics = folder["parts", "metrics.jsonl"];
        while (process.Running && !(File.Exists(metrics) && new FileInfo(metrics).Length > 0))
            Thread.Sleep(5);
        process.Interrupt();
        MarrowProcess.Result stopped = process.Wait();
        Assert.True(stopped.ExitCode == 130, stopped.Errors);
        Assert.Contains("--resume", stopped.Errors, StringComparison.Ordinal);
        int steps = TrainingFiles.Json(folder["parts", "manifest.json"]).GetProperty("steps").GetInt32();
        string[] longer = ["--set", $"training.max_steps={steps + 5}"];
        JsonElement resumed = MarrowProcess.Json(["train", parts, "--resume", .. longer]);
        Assert.Equal("completed", resumed.GetProperty("status").GetString());
        MarrowProcess.Done(["train", Job("whole"), .. longer]);
        AssertSame(folder, "parts", "whole");
    }

    [Theory]
    [InlineData("method: state")]
    [InlineData("method: full")]
    public void Version_6_in_two_parts_equals_a_run_at_once(string adapter)
    {
        using TemporaryFolder folder = Files("model", 6);
        string Job(string run) => TinyModel.WriteJob(folder, run, adapter, Segments);
        MarrowProcess.Done("train", Job("whole"), "--set", "training.max_steps=6");
        MarrowProcess.Done("train", Job("parts"), "--set", "training.max_steps=3");
        MarrowProcess.Done("train", Job("parts"), "--resume", "--set", "training.max_steps=6");
        AssertSame(folder, "parts", "whole");
    }

    [Fact]
    public void A_segment_as_long_as_the_rows_changes_nothing()
    {
        using TemporaryFolder folder = Files("model", 7);
        MarrowProcess.Done("train", TinyModel.WriteJob(folder, "whole", training: "max_steps: 4"));
        MarrowProcess.Done("train", TinyModel.WriteJob(folder, "parts", training: "max_steps: 4, segment_length: 64"));
        AssertSame(folder, "parts", "whole");
        MarrowProcess.Done("train", TinyModel.WriteJob(folder, "short", training: "max_steps: 4, segment_length: 3"));
        // The state goes from segment to segment, so the first loss, before any update, is that of the whole rows.
        double[] whole = TrainingFiles.Metric(folder["whole"], "loss"), pieces = TrainingFiles.Metric(folder["short"], "loss");
        Assert.Equal(whole[0], pieces[0], 1e-5);
        Assert.NotEqual(whole[3], pieces[3]);
    }

    private static TemporaryFolder Files(string model, int version)
    {
        var folder = new TemporaryFolder();
        TinyModel.WriteRwkv(folder, model, version);
        TinyModel.WriteRows(folder);
        return folder;
    }

    private static void AssertSame(TemporaryFolder folder, string one, string other)
    {
        foreach (string property in new[] { "loss", "grad_norm" })
            Assert.Equal(TrainingFiles.Metric(folder[one], property), TrainingFiles.Metric(folder[other], property));
        string result = Directory.Exists(folder[one, "model"]) ? Path.Combine("model", "model.safetensors") : Path.Combine("adapter", "adapter_model.safetensors");
        Assert.Equal(File.ReadAllBytes(folder[one, result]), File.ReadAllBytes(folder[other, result]));
    }
}
