using System.Text.Json;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Training;

/// <summary>A model of the reference data on the command line, against what another program computed with it.</summary>
/// <param name="output">Gets the figures.</param>
/// <param name="folder">Where files are made.</param>
/// <param name="root">The model's folder in the reference data.</param>
internal sealed class GoldenRun(ITestOutputHelper output, TemporaryFolder folder, string root)
{
    private readonly (long[] Ids, long[] Labels)[] rows = [.. TrainingFiles.BatchRows(Path.Combine(root, "batch.safetensors"))];

    /// <summary>The batch as a data file.</summary>
    public string Rows => folder.Put("rows.jsonl", TrainingFiles.TokenRows(rows));

    /// <summary>Trains ten steps as the reference did and gives the run folder.</summary>
    public string Train(string model, string adapter, string format = "", params string[] options)
    {
        string job = folder.Put("job.yaml", $$"""
            schema: marrow/job/v1
            model: { path: '{{model}}', device: cpu }
            adapter: { {{adapter}} }
            data: { train: '{{Rows}}', format: tokens, shuffle: false }
            training: { max_steps: 10, batch_size: 2, learning_rate: 1e-3 }
            output: { dir: '{{folder["run"]}}'{{format}} }
            """);
        JsonElement result = MarrowProcess.Json(["train", job, .. options]);
        Assert.Equal("completed", result.GetProperty("status").GetString());
        return folder["run"];
    }

    /// <summary>Losses and gradient norms of ten steps.</summary>
    /// <param name="golden">The run's folder in the reference data.</param>
    /// <param name="run">The run folder.</param>
    /// <param name="limit">How far a loss may lie off.</param>
    /// <param name="spread">So many times the distance between the reference in single and in double precision, which grows along some runs, a norm may lie off besides.</param>
    public void CompareCurve(string golden, string run, double limit, double spread = 0)
    {
        JsonElement expected = TrainingFiles.Json(Path.Combine(golden, "expected.json"));
        double[] losses = TrainingFiles.Metric(run, "loss"), norms = TrainingFiles.Metric(run, "grad_norm");
        double loss = losses.Zip(expected.Numbers("losses"), (a, b) => Math.Abs(a - b)).Max();
        double[] single = expected.Numbers("grad_norms_before_clip"), exact = expected.Numbers("grad_norms_before_clip_f64");
        double norm = norms.Select((n, i) => (Math.Abs(n - single[i]) - spread * Math.Abs(single[i] - exact[i])) / single[i]).Max();
        output.WriteLine($"losses differ by {loss:g3}, gradient norms by {norm:g3} of their size{(spread > 0 ? $" beyond {spread:g2} times the reference's own spread" : "")}");
        Assert.Equal((10, 10), (losses.Length, norms.Length));
        Assert.InRange(loss, 0, limit);
        Assert.True(norm <= 2e-5);
    }

    /// <summary>Trained tensors: how far they end from the reference's, as a part of their way.</summary>
    public void CompareTrained(string golden, string trained, string start)
    {
        Dictionary<string, float[]> got = TrainingFiles.Tensors(trained), want = TrainingFiles.Tensors(Path.Combine(golden, "final.safetensors"));
        double distance = TrainingFiles.Distance(got, want, TrainingFiles.Tensors(start));
        double farthest = want.Max(t => TrainingFiles.MaxDifference(got[t.Key], t.Value));
        output.WriteLine($"trained tensors: {distance:g3} of the update, {farthest:g3} at most");
        Assert.InRange(distance, 0, 5e-4);
        Assert.InRange(farthest, 0, 1e-3);
    }

    /// <summary>The rows are causal and end in padding, so each row's logits are those of the row alone.</summary>
    /// <param name="expected">The file that holds them.</param>
    /// <param name="name">Their name there.</param>
    /// <param name="model">The options that name model and adapter.</param>
    public void CompareLogits(string expected, string name, params string[] model)
    {
        float[] all = TrainingFiles.Tensors(expected)[name];
        int size = all.Length / rows.Length;
        for (int i = 0; i < rows.Length; i++)
        {
            string file = folder["logits.safetensors"];
            MarrowProcess.Json(["logits", .. model, "--tokens", string.Join(' ', rows[i].Ids), "--out", file, "--device", "cpu"]);
            Assert.InRange(TrainingFiles.MaxDifference(TrainingFiles.Tensors(file)["logits"], all[(i * size)..((i + 1) * size)]), 0, 1e-4);
        }
    }

    /// <summary>The loss at the start of a run, by eval, which sees the same rows.</summary>
    public void CompareLoss(string golden, params string[] model)
    {
        double loss = TrainingFiles.Json(Path.Combine(golden, "expected.json")).GetProperty("loss").GetDouble();
        JsonElement eval = MarrowProcess.Json(["eval", .. model, "--data", Rows, "--device", "cpu"]);
        Assert.InRange(eval.GetProperty("loss").GetDouble() - loss, -1e-5, 1e-5);
        Assert.Equal(35, eval.GetProperty("tokens").GetInt32());
        Assert.Equal([23, 12], eval.GetProperty("examples").EnumerateArray().Select(e => e.GetProperty("tokens").GetInt32()));
    }

    /// <summary>Merges to <paramref name="to"/>, and compares the written model's logits and, where they are given, its weights.</summary>
    public void CompareMerge(string golden, string to, params string[] model)
    {
        JsonElement certificate = MarrowProcess.Json(["merge", .. model, "--out", to, "--device", "cpu"]);
        output.WriteLine($"merged: logits differ by {certificate.GetProperty("logits").GetProperty("largest")}");
        CompareLogits(Path.Combine(golden, "expected.safetensors"), "logits", "--model", to);
        string expected = Path.Combine(golden, "merged.safetensors");
        if (!File.Exists(expected))
            return;
        Dictionary<string, float[]> got = TrainingFiles.Tensors(Directory.Exists(to) ? Path.Combine(to, "model.safetensors") : to);
        foreach ((string name, float[] values) in TrainingFiles.Tensors(expected))
            Assert.InRange(TrainingFiles.MaxDifference(got[name], values), 0, 1e-6);
    }
}
