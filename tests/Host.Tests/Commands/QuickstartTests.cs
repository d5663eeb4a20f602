using System.Text.Json;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Commands;

public class QuickstartTests(ITestOutputHelper output)
{
    [Fact]
    public void The_bundled_model_learns_and_the_result_can_be_used()
    {
        using var folder = new TemporaryFolder();
        string run = folder["quickstart"];
        for (int time = 0; time < 2; time++)
        {
            JsonElement result = Json("quickstart", "--out", run);
            output.WriteLine(result.ToString());
            Assert.True(result.GetProperty("exact_match_after").GetDouble() >= 0.9);
            Assert.True(result.GetProperty("steps").GetInt32() > 0 && result.GetProperty("seconds").GetDouble() > 0);
            Assert.Equal(Path.Combine(run, "adapter"), result.GetProperty("adapter").GetString());
        }
        string model = Path.Combine(AppContext.BaseDirectory, "samples", "tiny-llama"), merged = folder["merged"];
        Assert.Equal(0, MarrowProcess.Run("inspect", Path.Combine(run, "adapter")).ExitCode);
        Json("merge", "--model", model, "--adapter", Path.Combine(run, "adapter"), "--out", merged);
        string[] question = ["--chat", "Say hut in Pig Latin.", "--temperature", "0"];
        JsonElement adapted = Json(["generate", "--model", model, "--adapter", Path.Combine(run, "adapter"), .. question]);
        Assert.Equal(adapted.GetProperty("text").GetString(), Json(["generate", "--model", merged, .. question]).GetProperty("text").GetString());
        JsonElement pieces = Json("tokenize", "--model", merged, "--text", "Say hut in Pig Latin.");
        Assert.Equal("Say hut in Pig Latin.", string.Concat(pieces.GetProperty("pieces").EnumerateArray().Select(p => p.GetString())));
    }

    [Fact]
    public void The_bundled_rwkv_model_learns_and_the_result_can_be_used()
    {
        using var folder = new TemporaryFolder();
        string run = folder["quickstart"], model = Path.Combine(AppContext.BaseDirectory, "samples", "tiny-rwkv7"), adapter = Path.Combine(run, "adapter");
        JsonElement result = Json("quickstart", "--model", "rwkv7", "--out", run, "--device", "cpu");
        output.WriteLine(result.ToString());
        Assert.True(result.GetProperty("exact_match_before").GetDouble() <= 0.1);
        Assert.True(result.GetProperty("exact_match_after").GetDouble() >= 0.9);
        string Answer(params string[] options) => Json(["generate", .. options, "--chat", "Say hut in Pig Latin.", "--temperature", "0", "--device", "cpu"]).GetProperty("text").GetString()!;
        Assert.Equal("uthay", Answer("--model", model, "--adapter", adapter));
        Assert.NotEqual("uthay", Answer("--model", model));
        // The tokenizer of a .pth file lies beside it.
        Json("merge", "--model", model, "--adapter", adapter, "--out", folder["merged.pth"], "--device", "cpu");
        foreach (string file in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(Path.Combine(model, file), folder[file]);
        Assert.Equal("uthay", Answer("--model", folder["merged.pth"]));
    }

    [Fact]
    public void States_of_the_bundled_rwkv_model_train_in_segments_of_packed_rows()
    {
        using var folder = new TemporaryFolder();
        string samples = Path.Combine(AppContext.BaseDirectory, "samples"), model = Path.Combine(samples, "tiny-rwkv7");
        string heldOut = Path.Combine(samples, "quickstart", "heldout.jsonl");
        string job = folder.Put("job.yaml", $$"""
            schema: marrow/job/v1
            model: { path: '{{model}}', device: cpu }
            adapter: { method: state }
            data: { train: '{{Path.Combine(samples, "quickstart", "train.jsonl")}}', eval: '{{heldOut}}', max_length: 128, packing: true }
            training: { max_steps: 20, batch_size: 4, learning_rate: 0.1, segment_length: 32 }
            output: { dir: '{{folder["run"]}}' }
            """);
        double during = Json("train", job).GetProperty("eval_loss").GetDouble();
        double Loss(params string[] adapter) => Json(["eval", "--model", model, .. adapter, "--data", heldOut, "--device", "cpu"]).GetProperty("loss").GetDouble();
        double before = Loss(), after = Loss("--adapter", folder["run", "adapter"]);
        output.WriteLine($"{before:g4} before, {after:g4} after, {during:g4} as training saw it in segments");
        Assert.Equal(after, during, 1e-4);
        Assert.True(after < before / 2);
        string text = Json("generate", "--model", model, "--adapter", folder["run", "adapter"], "--chat", "Say hut in Pig Latin.", "--max-tokens", "8", "--device", "cpu").GetProperty("text").GetString()!;
        Assert.NotEqual("", text);
    }

    [Fact]
    public void The_ready_job_file_is_a_valid_job()
    {
        using var folder = new TemporaryFolder();
        Json("quickstart", "--out", folder["quickstart"]);
        Assert.Equal("bone", Jobs.Sample.Read(File.ReadAllText(folder["quickstart", "my-job.yaml"])).Adapter.Method);
    }

    private static JsonElement Json(params string[] args)
    {
        MarrowProcess.Result result = MarrowProcess.Run([.. args, "--json"]);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', args)}: {result.ExitCode}\n{result.Output}\n{result.Errors}");
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
