using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Formats.HuggingFace;
using Marrow.Host.Inspecting;
using Marrow.Host.Jobs;
using Marrow.Host.Runs;
using Marrow.Host.Tests.Jobs;
using Marrow.Host.Tests.Training;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.Fuzzing;

/// <summary>Random damage to job files, run folders and what is inspected gives a clear answer, soon and in little memory. A long run: docs/fuzzing.md.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private const int Hidden = 4;

    private static readonly string[] Yaml =
    [
        "model:", "adapter:", "data:", "training:", "output:", "method: bone", "r: 8", "&a", "*a", "<<: *a", "!!int", "!!python/object:os.system", "? ", "- ", ": ", "[", "]", "{", "}", "|\n", ">-\n", "---\n", "...\n", "\t", "#", "'", "\"", "~", "null", "yes", "0x1F", "1e309", ".nan", "%YAML 1.2\n", "x-own:",
    ];

    private const string Metrics = "{\"step\":1,\"loss\":2.5,\"grad_norm\":0.1,\"learning_rate\":0.001,\"tokens\":30,\"tokens_per_second\":10.5}\n{\"step\":1,\"eval_loss\":2.25}\n{\"step\":3,\"loss\":2}\n{\"st";
    private const string State = """{"format": "marrow/checkpoint/v1", "step": 3, "epoch": 0, "position": 2, "eval_loss": 1.5, "best_eval_loss": null, "tensors_sha256": "00", "run": {"job": "ab", "seed": "3"}}""";

    private static readonly FuzzTarget[] Parsers =
    [
        new("job file", () => [.. Jobs()], path => _ = JobFile.Load(path, ["training.seed=3"]).Given) { Words = Yaml },
        new("run manifest", () => [Manifest()], path => _ = RunManifest.Read(path).Data) { Words = ["\"schema\"", "\"status\"", "\"base\"", "null"] },
        new("metrics log", () => [FuzzSeed.Text(("metrics.jsonl", Metrics))], path => MetricsLog.Open(path, 2).Dispose()) { Words = ["\"step\"", "\"loss\"", "\"eval_loss\"", "null", "\n"] },
        new("checkpoint state", () => [FuzzSeed.Text(("state.json", State))], path => _ = TrainingCheckpoint.ReadState(path).Step) { TakesFolder = true, Words = ["\"step\"", "\"run\"", "null"] },
        new("inspected model folder", () => [Folder()], Inspect) { TakesFolder = true, Head = 2000, Words = ["\"dtype\"", "\"shape\"", "\"model_type\"", "null"] },
        new("inspected gguf file", () => [Gguf()], Inspect) { Head = 500 },
    ];

    public static TheoryData<string> Names => [.. Parsers.Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Fuzz(string parser) => FuzzRun.Of(Parsers.First(p => p.Name == parser), output);

    // An inspection lists what is wrong; the first of it stands for all.
    private static void Inspect(string path)
    {
        Inspection found = FileInspection.Of(path, values: true, default);
        Assert.All(found.Problems, p => Assert.NotEmpty(p.Code));
        if (found.Problems is [var first, ..])
            throw new MarrowException(first.Code, first.Message);
    }

    private static IEnumerable<FuzzSeed> Jobs()
    {
        yield return FuzzSeed.Text(("job.yaml", Sample.Smallest));
        yield return FuzzSeed.Text(("job.yaml", """
            schema: marrow/job/v1
            x-common: &common { r: 8 }
            model:
              path: models/base
            adapter:
              <<: *common
              method: lora
              lora_alpha: 16
              target_modules: [q_proj, "v_proj"]
            data:
              train: train.jsonl
              format: auto
              max_length: 256
            training:
              epochs: 2
              learning_rate: 2e-4
              batch_size: 4
            output:
              dir: runs/first
            """));
    }

    private static FuzzSeed Manifest() => FuzzSeed.Written(f => new RunManifest { Status = RunStatus.Completed, Steps = 3, Base = [new("model.safetensors", 10, "00")], StartedAt = DateTimeOffset.UnixEpoch }.Write(f["manifest.json"]));

    private static FuzzSeed Folder() => FuzzSeed.Written(f =>
    {
        using var folder = new TemporaryFolder();
        foreach (string file in Directory.GetFiles(TinyModel.Write(folder, hidden: Hidden)))
            File.Copy(file, f[Path.GetFileName(file)]);
    });

    private static FuzzSeed Gguf() => FuzzSeed.Written(f =>
    {
        using var folder = new TemporaryFolder();
        using ModelFolder model = ModelFolder.Open(TinyModel.Write(folder, hidden: Hidden));
        ModelConversion.Write(f["m.gguf"], ModelKind.Gguf, SourceModel.Of(model));
    });
}
