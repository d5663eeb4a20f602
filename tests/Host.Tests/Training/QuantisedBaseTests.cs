using System.Text.Json;

namespace Marrow.Host.Tests.Training;

/// <summary>Jobs and commands over base weights that are quantised in memory.</summary>
public class QuantisedBaseTests
{
    [Fact]
    public void An_adapter_is_trained_evaluated_and_merged_over_quantised_weights()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder, hidden: 64), rows = TinyModel.WriteRows(folder);
        string job = TinyModel.WriteJob(folder, "run", "method: lora, r: 4", "max_steps: 20");
        JsonElement plain = MarrowProcess.Json("train", job, "--dry-run"), plan = MarrowProcess.Json("train", job, "--dry-run", "--set", "model.dtype=nf4");
        long before = plain.GetProperty("memory").GetProperty("weights").GetInt64(), after = plan.GetProperty("memory").GetProperty("weights").GetInt64();
        Assert.InRange(after, 1, before / 2);
        // The MLP's inner 48 values are no whole blocks.
        Assert.Contains("2 of 14 linear layers are not NF4", plan.GetProperty("warnings")[0].GetString(), StringComparison.Ordinal);
        JsonElement run = MarrowProcess.Json("train", job, "--set", "model.dtype=nf4");
        Assert.Equal("completed", run.GetProperty("status").GetString());
        double[] losses = TrainingFiles.Metric(folder["run"], "loss");
        Assert.True(losses[^1] < losses[0] - 0.2, $"{losses[0]} to {losses[^1]}");

        string[] choice = ["--model", model, "--adapter", folder["run", "adapter"], "--dtype", "nf4", "--device", "cpu"];
        double Loss(params string[] options) => MarrowProcess.Json(["eval", "--data", rows, "--format", "tokens", .. options]).GetProperty("loss").GetDouble();
        double trained = Loss(choice), base16 = Loss("--model", model, "--dtype", "nf4", "--device", "cpu"), elsewhere = Loss("--model", model, "--adapter", folder["run", "adapter"], "--device", "cpu");
        Assert.True(trained < base16, $"{base16} to {trained}");
        Assert.NotEqual(trained, elsewhere);
        MarrowProcess.Done(["merge", .. choice, "--out", folder["merged"]]);
        // The base is merged as it was quantised, in fp32.
        Assert.Equal(trained, Loss("--model", folder["merged"], "--device", "cpu"), 1e-4);
    }

    [Fact]
    public void What_is_quantised_a_second_time_is_told()
    {
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder, hidden: 64);
        TinyModel.WriteRows(folder);
        string q8 = folder["q8.gguf"], job = TinyModel.WriteJob(folder, "run", "method: lora, r: 4", "max_steps: 1");
        MarrowProcess.Done("convert", folder["model"], q8, "--store-as", "q8_0");
        string Told(string dtype) => MarrowProcess.Run("generate", "--model", q8, "--dtype", dtype, "--tokens", "1 5", "--max-tokens", "2", "--device", "cpu").Errors;
        // The down projections' 48 values are no whole blocks of either type.
        const string Twice = "12 of 14 linear layers are stored quantised (Q8_0) and quantised again as NF4 in memory, with the losses of both; dtype auto keeps them";
        Assert.Contains(Twice, Told("nf4"), StringComparison.Ordinal);
        Assert.All(new[] { "auto", "q8_0" }, same => Assert.DoesNotContain("quantised again", Told(same), StringComparison.Ordinal));
        JsonElement plan = MarrowProcess.Json("train", job, "--dry-run", "--set", $"model.path={q8}", "--set", "model.dtype=nf4");
        Assert.Contains(plan.GetProperty("warnings").EnumerateArray(), w => w.GetString()!.StartsWith(Twice, StringComparison.Ordinal));
    }

    [Fact]
    public void A_merge_tells_what_storing_lost()
    {
        using var folder = new TemporaryFolder();
        string[] call = ["merge", "--model", TinyModel.Write(folder), "--adapter", TinyModel.WriteLora(folder, "adapter"), "--device", "cpu"];
        JsonElement[] Stored(string name, params string[] options)
        {
            JsonElement[] told = [.. MarrowProcess.Json([.. call, "--out", folder[name], .. options]).GetProperty("stored").EnumerateArray()];
            Assert.Equal(told.Length, JsonDocument.Parse(File.ReadAllText(folder[Path.ChangeExtension(name, "merge.json")])).RootElement.GetProperty("stored").GetArrayLength());
            return told;
        }
        Assert.All(Stored("a.gguf"), t => Assert.True(t.GetProperty("exact").GetBoolean()));
        Assert.Contains(Stored("b.gguf", "--store-as", "q8_0"), t => t.GetProperty("to").GetString() == "Q8_0" && t.GetProperty("relative_error").GetDouble() is > 0.001 and < 0.01);
        Assert.Contains("→ Q8_0 ", MarrowProcess.Done([.. call, "--out", folder["c.gguf"], "--store-as", "q8_0"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Layers_that_are_not_quantised_are_named()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder);
        MarrowProcess.Result result = MarrowProcess.Run("generate", "--model", model, "--dtype", "q8_0", "--tokens", "1 5", "--max-tokens", "2", "--device", "cpu");
        Assert.True(result.ExitCode == 0, result.Errors);
        Assert.Contains("model.layers.0.mlp.down_proj.weight [32,48] F32", result.Errors, StringComparison.Ordinal);
    }
}
