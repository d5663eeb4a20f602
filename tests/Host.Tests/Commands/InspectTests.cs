using System.Text.Json;
using Marrow.Host.Tests.Training;

namespace Marrow.Host.Tests.Commands;

public class InspectTests
{
    [Fact]
    public void A_model_folder_is_described_and_every_problem_is_told()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder);
        JsonElement good = Inspect(0, model, "--values");
        Assert.Equal("Hugging Face model", good.GetProperty("kind").GetString());
        Assert.Equal(20, good.GetProperty("tensors").GetArrayLength());
        Assert.Equal(0, good.GetProperty("problems").GetArrayLength());

        string config = Path.Combine(model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"vocab_size\":64", "\"vocab_size\":65", StringComparison.Ordinal).Replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":1", StringComparison.Ordinal));
        folder.Put(Path.Combine("model", "generation_config.json"), "{");
        string[] codes = [.. Inspect(2, model).GetProperty("problems").EnumerateArray().Select(p => p.GetProperty("code").GetString()!)];
        Assert.Equal(["HF002", "MD001", "MD002"], codes.Order());
    }

    [Fact]
    public void Values_that_are_not_numbers_are_found()
    {
        using var folder = new TemporaryFolder();
        string weights = Path.Combine(TinyModel.Write(folder), "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        BitConverter.TryWriteBytes(bytes.AsSpan(bytes.Length - 4), float.NaN);
        File.WriteAllBytes(weights, bytes);
        Assert.Equal(0, Inspect(0, weights).GetProperty("problems").GetArrayLength());
        JsonElement problem = Assert.Single(Inspect(2, weights, "--values").GetProperty("problems").EnumerateArray());
        Assert.Equal("IN002", problem.GetProperty("code").GetString());
        Assert.Contains("holds 1 values", problem.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static JsonElement Inspect(int exit, string path, params string[] options)
    {
        MarrowProcess.Result result = MarrowProcess.Run(["inspect", path, "--json", .. options]);
        Assert.Equal((exit, ""), (result.ExitCode, result.Errors));
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
