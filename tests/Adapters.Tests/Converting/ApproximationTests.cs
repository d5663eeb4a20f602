using Marrow.Adapters.Converting;
using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>What is no LoRA becomes the nearest one: its error is stated, is right, and is a reason to refuse. Differences of models, and adapters on changed bases.</summary>
public sealed class ApproximationTests : IDisposable
{
    private readonly AdapterFixture _fixture = new("rwkv7");

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData("bat")]
    [InlineData("bat_row")]
    public void Bat_of_full_rank_is_kept_whole_and_of_less_with_the_error_stated(string method)
    {
        AdapterConfig config = method == "bat" ? new BatConfig { R = 4 } : new BatRowConfig { R = 4 };
        float[] logits = _fixture.Make("bat", config with { Targets = new() { TargetModules = new(["receptance", "key"]) } });
        AdapterConversionReport whole = _fixture.Convert("bat", "w.safetensors", "kohya", r => r with { Approximate = new(24) });
        Assert.Equal(Exactness.Approximate, whole.Exactness);
        Assert.InRange(whole.RelativeError!.Value, 0, 1e-6);
        Assert.InRange(TinyLlama.LargestDifference(logits, _fixture.Logits("w.safetensors")), 0, 2e-4f);
        MarrowException refused = _fixture.Refused("bat", "x.safetensors", "kohya", "AC009", r => r with { Approximate = new(2) });
        Assert.Contains("--allow-error", refused.Message, StringComparison.Ordinal);
        Assert.Contains("blocks.1.ffn.key", refused.Message, StringComparison.Ordinal);
        AdapterConversionReport some = _fixture.Convert("bat", "s", "peft", r => r with { Approximate = new(2) { AllowError = true } });
        Assert.InRange(some.RelativeError!.Value, 0.1, 1);
        Assert.All(some.Layers, l => Assert.True(l.Rank == 2 && l.RelativeError is > 0 and < 1 && l.ErrorOfWeight > 0));
        // What was written is that far from what was read.
        using AdapterFiles bat = AdapterFiles.Open(_fixture.Folder["bat"]), lora = AdapterFiles.Open(_fixture.Folder["s"]);
        double misses = 0, squares = 0;
        Dictionary<string, double[]> want = Changes(bat);
        foreach ((string layer, double[] change) in Changes(lora))
        {
            misses += change.Zip(want[layer], (x, y) => (x - y) * (x - y)).Sum();
            squares += want[layer].Sum(v => v * v);
        }
        Assert.Equal(Math.Sqrt(misses / squares), some.RelativeError.Value, 1e-6);
    }

    [Fact]
    public void Lora_and_bone_of_a_higher_rank_are_cut()
    {
        _fixture.Make("lora", new LoraConfig { R = 8, LoraAlpha = 4, Targets = new() { TargetModules = new(["key", "value"]) } });
        _fixture.Make("bone", new MissConfig { R = 8, Targets = new() { TargetModules = new(["key", "value"]) } });
        foreach (string name in new[] { "lora", "bone" })
        {
            AdapterConversionReport report = _fixture.Convert(name, name + "3", "peft", r => r with { Approximate = new(3) { AllowError = true } });
            Assert.All(report.Layers, l => Assert.Equal(3, l.Rank));
            Assert.InRange(report.RelativeError!.Value, 0.05, 1);
            using AdapterFiles before = AdapterFiles.Open(_fixture.Folder[name]), after = AdapterFiles.Open(_fixture.Folder[name + "3"]);
            Dictionary<string, double[]> want = Changes(before);
            foreach ((string layer, double[] change) in Changes(after))
            {
                double error = Math.Sqrt(change.Zip(want[layer], (x, y) => (x - y) * (x - y)).Sum() / want[layer].Sum(v => v * v));
                Assert.Equal(report.Layers.Single(l => l.Module == layer).RelativeError!.Value, error, 1e-6);
            }
            Assert.Equal(Exactness.Exact, _fixture.Convert(name, name + "9", "peft", r => r with { Approximate = new(8) }).Exactness);
        }
    }

    [Fact]
    public void The_difference_of_two_models_becomes_lora()
    {
        float[] logits = _fixture.Make("lora", new LoraConfig { R = 3, LoraAlpha = 6, Targets = new() { TargetModules = new(["key", "receptance"]) } });
        using (AdapterFiles files = AdapterFiles.Open(_fixture.Folder["lora"]))
        using (AdaptedModel adapted = AdaptedModel.Load(_fixture.Model, files))
        {
            adapted.Merge(TinyLlama.Batch());
            ModelFolderWriter.Write(_fixture.Folder["tuned"], _fixture.Model);
            adapted.Unmerge();
        }
        using ModelFolder tuned = ModelFolder.Open(_fixture.Folder["tuned"]);
        AdapterExtractionRequest request = new() { Base = _fixture.Files, Tuned = tuned, Output = _fixture.Folder["x.gguf"], Target = AdapterFixture.Kind("gguf-lora"), Limit = new(3) };
        AdapterConversionReport report = AdapterExtraction.Run(request);
        Assert.Equal(6, report.Layers.Count);
        Assert.InRange(report.RelativeError!.Value, 0, 1e-5);
        Assert.Contains(report.Warnings, w => w.Contains("same in both models", StringComparison.Ordinal));
        Assert.InRange(TinyLlama.LargestDifference(logits, _fixture.Logits("x.gguf")), 0, 1e-4f);
        var refused = Assert.Throws<MarrowException>(() => AdapterExtraction.Run(request with { Limit = new(1), Output = _fixture.Folder["y.gguf"] }));
        Assert.Equal("AC009", refused.Code);
        Assert.Contains("of the difference of the models", refused.Message, StringComparison.Ordinal);
        Assert.Equal("AC001", Assert.Throws<MarrowException>(() => AdapterExtraction.Run(request with { Tuned = _fixture.Files })).Code);
        Assert.False(File.Exists(_fixture.Folder["y.gguf"]));

        // A norm and the head changed too.
        string changed = _fixture.Folder["changed"];
        Directory.CreateDirectory(changed);
        using (ModelWeights weights = ModelWeights.OfFolder(_fixture.Folder["tuned"]))
            SafetensorsWriter.WriteModel(changed, [.. weights.Tensors.Tensors.Values.Select(t => t.Name is "head.weight" or "blocks.0.ln1.weight" or "blocks.0.ln1.bias"
                ? TensorToWrite.FromFloats(t.Name, t.Shape, weights.Tensors.ReadFloats(t.Name).Select(v => v + 0.25f).ToArray()) : TensorToWrite.Copy(weights.Tensors, t.Name))]);
        using ModelFolder more = ModelFolder.Open(changed);
        request = request with { Tuned = more, Target = AdapterFixture.Kind("peft"), Output = _fixture.Folder["p"] };
        string message = Assert.Throws<MarrowException>(() => AdapterExtraction.Run(request)).Message;
        Assert.Contains("head.weight", message, StringComparison.Ordinal);
        Assert.Contains(AdapterExtraction.Run(request with { Others = OtherChanges.Skip }).Warnings, w => w.Contains("blocks.0.ln1.weight", StringComparison.Ordinal));
        report = AdapterExtraction.Run(request with { Others = OtherChanges.Save });
        Assert.Equal(3, report.Carried.Count);
        using CausalModel whole = ModelLoader.Load(_fixture.Device, more);
        Assert.InRange(TinyLlama.LargestDifference(TinyLlama.Logits(whole, TinyLlama.Batch()), _fixture.Logits("p")), 0, 1e-4f);
        Assert.Equal("AC005", Assert.Throws<MarrowException>(() => AdapterExtraction.Run(request with { Others = OtherChanges.Save, Target = AdapterFixture.Kind("gguf-lora"), Output = _fixture.Folder["z.gguf"] })).Code);
        using var larger = new AdapterFixture("rwkv6");
        Assert.Equal("AC013", Assert.Throws<ModelFileException>(() => AdapterExtraction.Run(request with { Tuned = larger.Files })).Code);
    }

    [Fact]
    public void An_adapter_on_a_changed_base_needs_its_start()
    {
        // The start of PiSSA is taken off the base; on the base as it was, the adapter is LoRA of twice the rank.
        var config = new LoraConfig { R = 2, LoraAlpha = 3, Targets = new() { TargetModules = new(["key"]) } };
        _fixture.Make("init", config);
        using (var trained = new AdaptedModel(_fixture.Model, config, 8))
        {
            TinyLlama.Scramble(trained, 0.15f);
            trained.Save(_fixture.Folder["pissa"], null);
        }
        string file = _fixture.Folder["pissa", PeftConfig.FileName];
        File.WriteAllText(file, File.ReadAllText(file).Replace("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"", StringComparison.Ordinal));
        Assert.Contains("--init", _fixture.Refused("pissa", "x", "peft", "AC012").Message, StringComparison.Ordinal);
        AdapterConversionReport report = _fixture.Convert("pissa", "out", "peft", r => r with { Inputs = [new(_fixture.Folder["pissa"]) { Initial = _fixture.Folder["init"] }] });
        Assert.All(report.Layers, l => Assert.True(l is { Rank: 4, Exactness: Exactness.Exact }));
        File.WriteAllText(file, File.ReadAllText(file).Replace("\"pissa\"", "true", StringComparison.Ordinal));
        using AdapterFiles before = AdapterFiles.Open(_fixture.Folder["init"]), after = AdapterFiles.Open(_fixture.Folder["pissa"]), both = AdapterFiles.Open(_fixture.Folder["out"]);
        Dictionary<string, double[]> start = Changes(before), end = Changes(after);
        foreach ((string layer, double[] change) in Changes(both))
            Assert.InRange(change.Select((v, i) => Math.Abs(v - (end[layer][i] - start[layer][i]))).Max(), 0, 1e-7);
        _fixture.Refused("pissa", "x", "peft", "AC012", r => r with { Inputs = [new(_fixture.Folder["pissa"]) { Initial = _fixture.Folder["model"] + "/model.safetensors" }] });

        // RWKV-PEFT's start, with a scale of 1.
        PthWriter.Write(_fixture.Folder["r.pth"], [Tensor("blocks.0.att.key.lora_A", 2, 24, 1), Tensor("blocks.0.att.key.lora_B", 24, 2, 2)]);
        PthWriter.Write(_fixture.Folder["init.pth"], [Tensor("model.blocks.0.att.key.init_lora_A", 2, 24, 3), Tensor("model.blocks.0.att.key.init_lora_B", 24, 2, 4)]);
        _fixture.Convert("r.pth", "r", "peft", r => r with { Inputs = [new(_fixture.Folder["r.pth"]) { Initial = _fixture.Folder["init.pth"] }] });
        _fixture.Refused("r.pth", "x", "peft", "AC001", r => r with { Inputs = [new(_fixture.Folder["r.pth"]) { Initial = _fixture.Folder["init.pth"], Alpha = 8 }] });
        using AdapterFiles rwkv = AdapterFiles.Open(_fixture.Folder["r"]);
        double[] got = Changes(rwkv)["blocks.0.att.key"];
        Assert.Equal(Value(0, 2) * Value(5, 1) + Value(1, 2) * Value(29, 1) - Value(0, 4) * Value(5, 3) - Value(1, 4) * Value(29, 3), got[5], 1e-6);
    }

    private static double Value(int index, int seed) => 0.125 * ((index * 7 + seed * 3) % 11 - 5);

    private static TensorToWrite Tensor(string name, int rows, int columns, int seed) =>
        TensorToWrite.FromFloats(name, [rows, columns], Enumerable.Range(0, rows * columns).Select(i => (float)Value(i, seed)).ToArray());

    // The change of every layer's weight as the engine merges it.
    private Dictionary<string, double[]> Changes(AdapterFiles files)
    {
        using AdaptedModel adapted = AdaptedModel.Load(_fixture.Model, files);
        Dictionary<string, double[]> changes = [];
        foreach (LayerAdapter adapter in adapted.Adapters)
        {
            double[] weight = [.. adapter.Layer.Weight.Value.ToArray().Select(v => (double)v)], merged = [.. weight];
            WeightChange change = adapter.Change();
            int n = adapter.Layer.Inputs;
            for (int o = 0; o < adapter.Layer.Outputs; o++)
                change.Apply(o, merged.AsSpan(o * n, n));
            changes.Add(adapter.Layer.Path, [.. merged.Zip(weight, (x, y) => x - y)]);
        }
        return changes;
    }
}
