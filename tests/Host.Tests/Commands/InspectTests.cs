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

    [Fact]
    public void An_adapter_that_is_refused_is_described_by_its_configuration()
    {
        using var folder = new TemporaryFolder();
        TinyModel.Write(folder);
        string adapter = TinyModel.WriteLora(folder, "adapter"), config = Path.Combine(adapter, "adapter_config.json");
        var fields = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(config))!;
        fields["init_lora_weights"] = "pissa";
        File.WriteAllText(config, fields.ToJsonString());
        JsonElement found = Inspect(2, adapter);
        Assert.Equal("PF005", Assert.Single(found.GetProperty("problems").EnumerateArray()).GetProperty("code").GetString());
        JsonElement facts = found.GetProperty("facts");
        Assert.Equal(("LORA", "pissa", fields["r"]!.ToJsonString()), (facts.GetProperty("method").GetString(), facts.GetProperty("start").GetString(), facts.GetProperty("rank").GetString()));
        Assert.NotEqual(0, found.GetProperty("tensors").GetArrayLength());
    }

    [Fact]
    public void Several_weight_files_without_index_are_no_model()
    {
        using var folder = new TemporaryFolder();
        string weights = Path.Combine(TinyModel.Write(folder), "model.safetensors");
        Directory.CreateDirectory(folder["several"]);
        foreach (int part in new[] { 1, 2 })
            File.Copy(weights, folder["several", $"model-0000{part}-of-00002.safetensors"]);
        JsonElement problem = Assert.Single(Inspect(2, folder["several"]).GetProperty("problems").EnumerateArray());
        Assert.Equal("HF014", problem.GetProperty("code").GetString());
        Assert.Contains("add its model.safetensors.index.json", problem.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static JsonElement Inspect(int exit, string path, params string[] options)
    {
        MarrowProcess.Result result = MarrowProcess.Run(["inspect", path, "--json", .. options]);
        Assert.Equal((exit, ""), (result.ExitCode, result.Errors));
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
