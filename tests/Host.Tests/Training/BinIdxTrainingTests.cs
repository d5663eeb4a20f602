using Marrow.Formats.Datasets.BinIdx;
using System.Text.Json;

namespace Marrow.Host.Tests.Training;

/// <summary>A binidx dataset in a job and in eval, against the same tokens as JSONL.</summary>
public class BinIdxTrainingTests
{
    [Fact]
    public void Trains_evaluates_and_resumes_as_the_same_rows_do()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModel.Write(folder);
        string rows = TinyModel.WriteRows(folder);
        int[][] items = [.. File.ReadLines(rows).Select(line => JsonSerializer.Deserialize<JsonElement>(line).GetProperty("input_ids").Deserialize<int[]>()!)];
        BinIdxWriter.Write(folder["items"], items.Select(i => (ReadOnlyMemory<int>)i));

        string job = TinyModel.WriteJob(folder, "rows"), same = TinyModel.WriteJob(folder, "binidx");
        string[] binidx = ["--set", $"data.train={folder["items"]}", "--set", "data.format=binidx"];
        Run("train", job);
        Run(["train", same, .. binidx]);
        Assert.Equal(File.ReadAllBytes(folder["rows", "adapter", "adapter_model.safetensors"]), File.ReadAllBytes(folder["binidx", "adapter", "adapter_model.safetensors"]));
        Assert.Equal(["items.idx", "items.bin"], TrainingFiles.Json(folder["binidx", "manifest.json"]).GetProperty("data").EnumerateArray().Select(f => f.GetProperty("name").GetString()));
        Assert.Equal(Run("eval", "--model", model, "--data", rows, "--json"), Run("eval", "--model", model, "--data", folder["items.bin"], "--json"));

        items[3][1] ^= 1;
        BinIdxWriter.Write(folder["items"], items.Select(i => (ReadOnlyMemory<int>)i));
        MarrowProcess.Result changed = MarrowProcess.Run(["train", same, .. binidx, "--resume"]);
        Assert.Equal(2, changed.ExitCode);
        Assert.Contains("items.bin", changed.Errors, StringComparison.Ordinal);
        File.Delete(folder["items.idx"]);
        MarrowProcess.Result missing = MarrowProcess.Run(["train", same, .. binidx, "--overwrite"]);
        Assert.Contains($"data.train: no such file: {folder["items.idx"]}", missing.Errors, StringComparison.Ordinal);
        Assert.Contains("JB012", missing.Errors, StringComparison.Ordinal);
    }

    private static string Run(params string[] args)
    {
        MarrowProcess.Result result = MarrowProcess.Run(args);
        Assert.True(result.ExitCode == 0, result.Errors);
        return result.Output;
    }
}
