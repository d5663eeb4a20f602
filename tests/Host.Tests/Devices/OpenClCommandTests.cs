using System.Text.Json;
using Marrow.Host.Tests.Training;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Devices;

/// <summary>Every command that computes, on the OpenCL device of this machine, through the command line.</summary>
public class OpenClCommandTests(ITestOutputHelper output)
{
    [Fact]
    public void Quickstart_learns_as_on_the_cpu()
    {
        if (!OpenClHere.Found(output))
            return;
        using var folder = new TemporaryFolder();
        JsonElement result = Json("quickstart", "--out", folder["quickstart"], "--device", "opencl");
        output.WriteLine(result.ToString());
        Assert.StartsWith("opencl:", result.GetProperty("device").GetProperty("name").GetString(), StringComparison.Ordinal);
        Assert.True(result.GetProperty("exact_match_after").GetDouble() >= 0.9);
    }

    [Theory]
    [InlineData("method: bone, r: 4")]
    [InlineData("method: lora, r: 4, lora_dropout: 0.1, init_weights: gaussian")]
    [InlineData("method: bat, r: 4")]
    [InlineData("method: mini, r: 4, mini_r: 4")]
    [InlineData("method: full")]
    public void Stopped_after_five_steps_and_resumed_equals_ten_at_once(string adapter)
    {
        if (!OpenClHere.Found(output))
            return;
        using TemporaryFolder folder = Files();
        string Job(string run) => TinyModel.WriteJob(folder, run, adapter, "max_steps: 10, lr_schedule: constant");
        Json("train", Job("whole"), "--device", "opencl");
        Json("train", Job("parts"), "--device", "opencl", "--set", "training.max_steps=5");
        Json("train", Job("parts"), "--device", "opencl", "--resume");
        AssertSameResult(folder["whole"], folder["parts"]);
        JsonElement manifest = TrainingFiles.Json(folder["parts", "manifest.json"]);
        Assert.StartsWith("opencl:", manifest.GetProperty("device_name").GetString(), StringComparison.Ordinal);
        Assert.Equal("fp32", manifest.GetProperty("activations").GetString());
        Assert.True(manifest.GetProperty("peak_bytes").GetInt64() > 0);
        Assert.Equal(0, manifest.GetProperty("earlier_devices").GetArrayLength());
    }

    [Fact]
    public void A_second_process_compiles_nothing()
    {
        if (!OpenClHere.Found(output))
            return;
        using TemporaryFolder folder = Files();
        string job = TinyModel.WriteJob(folder, "run", training: "max_steps: 2");
        int[] compiled = new int[2], loaded = new int[2];
        for (int time = 0; time < 2; time++)
        {
            MarrowProcess.Result result = MarrowProcess.RunWith("MARROW_CACHE", folder["cache"], "train", job, "--device", "opencl", "--overwrite");
            Assert.True(result.ExitCode == 0, result.Errors);
            JsonElement manifest = TrainingFiles.Json(folder["run", "manifest.json"]);
            (compiled[time], loaded[time]) = (manifest.GetProperty("kernels_compiled").GetInt32(), manifest.GetProperty("kernels_loaded").GetInt32());
            Assert.Contains("kernels compiled: ", result.Output, StringComparison.Ordinal);
        }
        output.WriteLine($"{compiled[0]} kernels compiled and {loaded[0]} loaded, then {compiled[1]} and {loaded[1]}");
        Assert.True(compiled[0] > 0);
        Assert.Equal((0, compiled[0] + loaded[0]), (compiled[1], loaded[1]));
    }

    [Fact]
    public void Losses_logits_text_and_merges_are_those_of_the_cpu()
    {
        if (!OpenClHere.Found(output))
            return;
        using TemporaryFolder folder = Files();
        Json("train", TinyModel.WriteJob(folder, "run", "method: bone, r: 4", "max_steps: 5"));
        string[] model = ["--model", folder["model"], "--adapter", folder["run", "adapter"]];
        float[][] logits = Both(on => Logits([.. model, "--device", on], folder[$"{on}.safetensors"]));
        float largest = logits[0].Max(Math.Abs);
        Assert.True(TrainingFiles.MaxDifference(logits[0], logits[1]) <= 2e-5 * largest);
        double[] losses = Both(on => Json(["eval", .. model, "--data", folder["rows.jsonl"], "--format", "tokens", "--device", on]).GetProperty("loss").GetDouble());
        Assert.Equal(losses[0], losses[1], 1e-5);
        string[] texts = Both(on => Json(["generate", .. model, "--tokens", "1 2 3 4", "--max-tokens", "12", "--device", on]).GetProperty("tokens").ToString());
        Assert.Equal(texts[0], texts[1]);
        byte[][] merged = Both(on =>
        {
            JsonElement certificate = Json(["merge", .. model, "--out", folder[$"merged-{on}"], "--device", on]);
            Assert.True(certificate.GetProperty("logits").GetProperty("largest").GetDouble() <= 1e-4 * largest);
            return File.ReadAllBytes(folder[$"merged-{on}", "model.safetensors"]);
        });
        Assert.Equal(merged[0], merged[1]);
        // Activations in bf16 stay near, and are others.
        float[] narrow = Logits([.. model, "--device", "opencl", "--activations", "bf16"], folder["narrow.safetensors"]);
        Assert.InRange(TrainingFiles.MaxDifference(logits[0], narrow), 1e-5 * largest, 3e-2 * largest);
    }

    [Fact]
    public void Training_in_bf16_activations_learns_and_is_noted()
    {
        if (!OpenClHere.Found(output))
            return;
        using TemporaryFolder folder = Files();
        double[] Losses(string activations)
        {
            string run = $"run-{activations}";
            JsonElement outcome = Json("train", TinyModel.WriteJob(folder, run, training: "max_steps: 20"), "--device", "opencl", "--set", $"model.activations={activations}");
            Assert.Equal(activations, outcome.GetProperty("device").GetProperty("activations").GetString());
            return TrainingFiles.Metric(folder[run], "loss");
        }

        double[] full = Losses("fp32"), narrow = Losses("bf16");
        Assert.NotEqual(full, narrow);
        for (int step = 0; step < full.Length; step++)
            Assert.Equal(full[step], narrow[step], 0.05 * full[step]);
    }

    [Fact]
    public void Doctor_lists_the_device_and_finds_it_well()
    {
        if (!OpenClHere.Found(output))
            return;
        JsonElement report = Json("doctor", "--device", "opencl");
        Assert.True(report.GetProperty("passed").GetBoolean());
        JsonElement device = report.GetProperty("devices").EnumerateArray().First(d => d.GetProperty("tried").GetBoolean());
        Assert.StartsWith("opencl:", device.GetProperty("name").GetString(), StringComparison.Ordinal);
        Assert.True(device.GetProperty("capabilities").GetProperty("memory_bytes").GetInt64() > 0);
        Assert.True(device.GetProperty("ops").GetArrayLength() > 10);
    }

    private static void AssertSameResult(string whole, string resumed)
    {
        foreach (string property in new[] { "loss", "grad_norm" })
            Assert.Equal(TrainingFiles.Metric(whole, property), TrainingFiles.Metric(resumed, property));
        string result = Directory.Exists(Path.Combine(whole, "model")) ? Path.Combine("model", "model.safetensors") : Path.Combine("adapter", "adapter_model.safetensors");
        Assert.Equal(File.ReadAllBytes(Path.Combine(whole, result)), File.ReadAllBytes(Path.Combine(resumed, result)));
    }

    private static TemporaryFolder Files()
    {
        var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        return folder;
    }

    private static T[] Both<T>(Func<string, T> run) => [run("cpu"), run("opencl")];

    private static float[] Logits(string[] options, string file)
    {
        Json(["logits", .. options, "--tokens", "5 1 9 30 2 2 7", "--out", file]);
        return TrainingFiles.Tensors(file)["logits"];
    }

    private static JsonElement Json(params string[] args)
    {
        MarrowProcess.Result result = MarrowProcess.Run([.. args, "--json"]);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', args)}: {result.ExitCode}\n{result.Output}\n{result.Errors}");
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
