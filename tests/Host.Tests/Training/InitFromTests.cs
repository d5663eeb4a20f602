using System.Text.Json;

namespace Marrow.Host.Tests.Training;

/// <summary>Going on from an adapter folder: what the job leaves open is the folder's, what it says must agree.</summary>
public class InitFromTests
{
    [Theory]
    [InlineData("method: lora, r: 4, lora_alpha: 12, use_rslora: true", "method: lora", "lora", 4)]
    [InlineData("method: mini, r: 4, mini_r: 2", "method: miss", "mini", 4)]
    [InlineData("method: miss, r: 4, init_weights: bat", "method: bone", "bat", 4)]
    [InlineData("method: bone, r: 3", "method: bone, r: 3", "bone", 3)]
    public void Settings_that_the_job_leaves_open_are_the_folders(string first, string second, string method, int rank)
    {
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        Done("train", TinyModel.WriteJob(folder, "first", first, "max_steps: 2"));
        string adapter = folder["first", "adapter"];
        Done("train", TinyModel.WriteJob(folder, "second", $"{second}, init_from: '{adapter}'", "max_steps: 1"));
        string resolved = File.ReadAllText(folder["second", "resolved.yaml"]);
        Assert.Contains($"method: {method}", resolved, StringComparison.Ordinal);
        Assert.Contains($"r: {rank}\n", resolved, StringComparison.Ordinal);
        using JsonDocument before = Config(adapter), after = Config(folder["second", "adapter"]);
        foreach (string key in new[] { "r", "peft_type" })
            Assert.Equal(before.RootElement.GetProperty(key).ToString(), after.RootElement.GetProperty(key).ToString());
    }

    [Fact]
    public void A_setting_that_the_job_gives_otherwise_is_refused()
    {
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        TinyModel.WriteRows(folder);
        Done("train", TinyModel.WriteJob(folder, "first", "method: lora, r: 4", "max_steps: 1"));
        string job = TinyModel.WriteJob(folder, "second", $"method: lora, r: 8, init_from: '{folder["first", "adapter"]}'", "max_steps: 1");
        MarrowProcess.Result result = MarrowProcess.Run("train", job);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("TJ002", result.Errors, StringComparison.Ordinal);
        Assert.Contains("adapter.r is 4 there and 8 in the job", result.Errors, StringComparison.Ordinal);
    }

    private static JsonDocument Config(string folder) => JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")));

    private static void Done(params string[] args)
    {
        MarrowProcess.Result result = MarrowProcess.Run(args);
        Assert.True(result.ExitCode == 0, result.Errors);
    }
}
