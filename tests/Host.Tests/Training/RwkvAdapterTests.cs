using System.Text.Json;

namespace Marrow.Host.Tests.Training;

/// <summary>RWKV's adapters from the command line: methods of its own, RWKV-PEFT's files, models as .pth.</summary>
public class RwkvAdapterTests
{
    [Theory]
    [InlineData("method: lora, r: 4, lora_alpha: 12", "peft", "lora")]
    [InlineData("method: lora, r: 4, lora_alpha: 12", "rwkv-peft", "lora")]
    [InlineData("method: bone, r: 4, modules_to_save: [head]", "rwkv-peft", "miss")]
    [InlineData("method: bat_row, r: 4", "peft", "bat_row")]
    [InlineData("method: bat_row, r: 4", "rwkv-peft", "bat_row")]
    [InlineData("method: state", "peft", "state")]
    [InlineData("method: state, decay_states: true", "rwkv-peft", "state")]
    public void Trained_continued_inspected_evaluated_and_merged(string adapter, string format, string method)
    {
        using var folder = new TemporaryFolder();
        TinyModel.WriteRwkv(folder);
        TinyModel.WriteRows(folder);
        string result = folder["first", format == "peft" ? "adapter" : "adapter.pth"];
        Done("train", Job(folder, "first", adapter, format));
        Assert.True(Path.Exists(result));
        string[] alpha = method == "lora" && format != "peft" ? ["--adapter-alpha", "12"] : [];

        JsonElement inspected = Parse(Done("inspect", result, "--json"));
        Assert.Equal(method, inspected.GetProperty("facts").GetProperty("method").GetString());
        Assert.Equal(0, inspected.GetProperty("problems").GetArrayLength());

        string merged = folder["merged.pth"];
        JsonElement certificate = Parse(Done(["merge", "--model", folder["model"], "--adapter", result, .. alpha, "--out", merged, "--json"]));
        Assert.InRange(certificate.GetProperty("logits").GetProperty("largest").GetDouble(), 0, 1e-4);
        Assert.True(File.Exists(folder["merged.merge.json"]));
        double with = Loss(folder, ["--model", folder["model"], "--adapter", result, .. alpha]), without = Loss(folder, ["--model", folder["model"]]);
        Assert.Equal(with, Loss(folder, ["--model", merged]), 1e-5);
        Assert.True(with < without, $"{with} is not below {without}");

        // The settings are the file's; only LoRA's alpha is not in it.
        Done("train", Job(folder, "second", $"{(alpha.Length > 0 ? "lora_alpha: 12, " : "")}method: {(method == "miss" ? "bone" : method)}, init_from: '{result}'", "rwkv-peft", "max_steps: 1"));
        Assert.Contains(method == "state" ? "method: state" : "r: 4\n", File.ReadAllText(folder["second", "resolved.yaml"]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("method: bat, r: 4", "rwkv-peft", "AD013")]
    [InlineData("method: lora, use_rslora: true", "rwkv-peft", "AD013")]
    [InlineData("method: bone, r: 4, modules_to_save: [x_r]", "peft", "AD013")]
    [InlineData("method: bone, r: 4, decay_states: true", "peft", "JB009")]
    [InlineData("method: state, r: 4", "peft", "JB009")]
    [InlineData("method: bone, modules_to_save: [lm_head]", "peft", "AD007")]
    public void What_does_not_go_together_is_refused_before_anything_is_trained(string adapter, string format, string code)
    {
        using var folder = new TemporaryFolder();
        TinyModel.WriteRwkv(folder);
        TinyModel.WriteRows(folder);
        MarrowProcess.Result result = MarrowProcess.Run("train", Job(folder, "first", adapter, format), "--dry-run");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(code, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void The_alpha_of_a_file_must_be_given()
    {
        using var folder = new TemporaryFolder();
        TinyModel.WriteRwkv(folder);
        TinyModel.WriteRows(folder);
        Done("train", Job(folder, "first", "method: lora, r: 4", "rwkv-peft", "max_steps: 1"));
        string file = folder["first", "adapter.pth"];
        MarrowProcess.Result merged = MarrowProcess.Run("merge", "--model", folder["model"], "--adapter", file, "--out", folder["merged"]);
        Assert.Equal(2, merged.ExitCode);
        Assert.Contains("--adapter-alpha", merged.Errors, StringComparison.Ordinal);
        MarrowProcess.Result continued = MarrowProcess.Run("train", Job(folder, "second", $"method: lora, init_from: '{file}'", "peft"));
        Assert.Equal(2, continued.ExitCode);
        Assert.Contains("TJ003", continued.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void States_of_another_model_are_refused()
    {
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        MarrowProcess.Result result = MarrowProcess.Run("train", TinyModel.WriteJob(folder, "first", "method: state"));
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("AD014", result.Errors, StringComparison.Ordinal);
    }

    private static string Job(TemporaryFolder folder, string run, string adapter, string format, string training = "max_steps: 10") => folder.Put($"{run}.yaml", $$"""
        schema: marrow/job/v1
        model: { path: '{{folder["model"]}}', device: cpu }
        adapter: { {{adapter}} }
        data: { train: '{{folder["rows.jsonl"]}}', format: tokens }
        training: { batch_size: 3, learning_rate: 0.02, {{training}} }
        output: { dir: '{{folder[run]}}', adapter_format: {{format}} }
        """);

    private static double Loss(TemporaryFolder folder, string[] model) => Parse(Done(["eval", .. model, "--data", folder["rows.jsonl"], "--device", "cpu", "--json"])).GetProperty("loss").GetDouble();

    private static string Done(params string[] args)
    {
        MarrowProcess.Result result = MarrowProcess.Run(args);
        Assert.True(result.ExitCode == 0, result.Errors);
        return result.Output;
    }

    private static JsonElement Parse(string json) => JsonDocument.Parse(json).RootElement;
}
