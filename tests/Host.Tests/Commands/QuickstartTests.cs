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
