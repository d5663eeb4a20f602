using System.Text.Json;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Training;

/// <summary>Every method against the losses, gradient norms, adapters, merged weights and logits of an independent program.</summary>
public class GoldenTrainingTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("lora", "method: lora, r: 8, lora_alpha: 16")]
    [InlineData("rslora", "method: lora, r: 8, lora_alpha: 16, use_rslora: true")]
    [InlineData("bone", "method: bone, r: 16")]
    [InlineData("bat", "method: bat, r: 16")]
    [InlineData("miss", "method: miss, r: 8")]
    [InlineData("miss_pad", "method: miss, r: 24")]
    [InlineData("miss_mini", "method: mini, r: 8, mini_r: 16")]
    public void An_adapter_trains_merges_and_computes_as_the_reference_does(string name, string adapter)
    {
        if (!Fixtures.Find(output, "llama_a", out string llama))
            return;
        string golden = Path.Combine(llama, name), start = Path.Combine(golden, "adapter"), model = Path.Combine(llama, "model");
        using var folder = new TemporaryFolder();
        string run = Train(folder, llama, $"{adapter}, init_from: '{start}'");
        CompareCurve(golden, run);

        string trained = Path.Combine(run, "adapter", "adapter_model.safetensors");
        double distance = TrainingFiles.Distance(TrainingFiles.Tensors(trained), TrainingFiles.Tensors(Path.Combine(golden, "final.safetensors")),
            TrainingFiles.Tensors(Path.Combine(start, "adapter_model.safetensors")));
        output.WriteLine($"final adapter: {distance:g3} of the update");
        Assert.InRange(distance, 0, 5e-4);

        CompareLogits(folder, llama, golden, 1e-4, "--model", model, "--adapter", start);
        CompareMerge(folder, llama, golden, model, start);
        double loss = TrainingFiles.Json(Path.Combine(golden, "expected.json")).GetProperty("loss").GetDouble();
        JsonElement eval = Json("eval", "--model", model, "--adapter", start, "--data", folder["rows.jsonl"], "--json");
        Assert.InRange(eval.GetProperty("loss").GetDouble() - loss, -1e-5, 1e-5);
        Assert.Equal(35, eval.GetProperty("tokens").GetInt32());
        Assert.Equal([23, 12], eval.GetProperty("examples").EnumerateArray().Select(e => e.GetProperty("tokens").GetInt32()));
    }

    [Fact]
    public void All_weights_train_as_the_reference_does()
    {
        if (!Fixtures.Find(output, "llama_a", out string llama))
            return;
        using var folder = new TemporaryFolder();
        string golden = Path.Combine(llama, "full"), run = Train(folder, llama, "method: full");
        CompareCurve(golden, run);
        double distance = TrainingFiles.Distance(TrainingFiles.Tensors(Path.Combine(run, "model", "model.safetensors")),
            TrainingFiles.Tensors(Path.Combine(golden, "final.safetensors")), TrainingFiles.Tensors(Path.Combine(llama, "model", "model.safetensors")));
        Assert.InRange(distance, 0, 5e-4);
        Assert.Equal(0, MarrowProcess.Run("inspect", Path.Combine(run, "model"), "--values").ExitCode);
    }

    private static string Train(TemporaryFolder folder, string llama, string adapter)
    {
        folder.Put("rows.jsonl", TrainingFiles.TokenRows(TrainingFiles.BatchRows(Path.Combine(llama, "batch.safetensors"))));
        string job = folder.Put("job.yaml", $$"""
            schema: marrow/job/v1
            model: { path: '{{Path.Combine(llama, "model")}}' }
            adapter: { {{adapter}} }
            data: { train: '{{folder["rows.jsonl"]}}', format: tokens, shuffle: false }
            training: { max_steps: 10, batch_size: 2, learning_rate: 1e-3 }
            output: { dir: '{{folder["run"]}}' }
            """);
        JsonElement result = Json("train", job, "--json");
        Assert.Equal(("completed", 10), (result.GetProperty("status").GetString(), result.GetProperty("steps").GetInt32()));
        return folder["run"];
    }

    private void CompareCurve(string golden, string run)
    {
        JsonElement expected = TrainingFiles.Json(Path.Combine(golden, "expected.json"));
        double[] losses = TrainingFiles.Metric(run, "loss"), norms = TrainingFiles.Metric(run, "grad_norm");
        double loss = losses.Zip(expected.Numbers("losses"), (a, b) => Math.Abs(a - b)).Max();
        double norm = norms.Zip(expected.Numbers("grad_norms_before_clip"), (a, b) => Math.Abs(a - b) / b).Max();
        output.WriteLine($"losses differ by {loss:g3}, gradient norms by {norm:g3} of their size");
        Assert.Equal((10, 10), (losses.Length, norms.Length));
        // Ten times the distance between the reference in single and in double precision.
        Assert.InRange(loss, 0, 5e-6);
        Assert.InRange(norm, 0, 2e-5);
    }

    /// <summary>The rows are causal and end in padding, so each row's logits are those of the row alone.</summary>
    private static void CompareLogits(TemporaryFolder folder, string llama, string golden, double limit, params string[] model)
    {
        float[] expected = TrainingFiles.Tensors(Path.Combine(golden, "expected.safetensors"))["logits"];
        var rows = TrainingFiles.BatchRows(Path.Combine(llama, "batch.safetensors")).ToList();
        int size = expected.Length / rows.Count;
        for (int i = 0; i < rows.Count; i++)
        {
            string file = folder["logits.safetensors"];
            Json(["logits", .. model, "--tokens", string.Join(' ', rows[i].Ids), "--out", file, "--json"]);
            Assert.InRange(TrainingFiles.MaxDifference(TrainingFiles.Tensors(file)["logits"], expected[(i * size)..((i + 1) * size)]), 0, limit);
        }
    }

    private void CompareMerge(TemporaryFolder folder, string llama, string golden, string model, string adapter)
    {
        string merged = folder["merged"];
        JsonElement certificate = Json("merge", "--model", model, "--adapter", adapter, "--out", merged, "--json");
        output.WriteLine(certificate.ToString());
        CompareLogits(folder, llama, golden, 1e-4, "--model", merged);
        string expected = Path.Combine(golden, "merged.safetensors");
        if (!File.Exists(expected))
            return;
        Dictionary<string, float[]> got = TrainingFiles.Tensors(Path.Combine(merged, "model.safetensors"));
        foreach ((string name, float[] values) in TrainingFiles.Tensors(expected))
            Assert.InRange(TrainingFiles.MaxDifference(got[name], values), 0, 1e-6);
    }

    private static JsonElement Json(params string[] args)
    {
        MarrowProcess.Result result = MarrowProcess.Run(args);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', args)}: {result.ExitCode}\n{result.Output}\n{result.Errors}");
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
