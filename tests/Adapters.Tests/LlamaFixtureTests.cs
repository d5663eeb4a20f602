using System.Text.Json;
using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests;

/// <summary>A two-layer Llama with adapters: logits, loss, gradients and merged weights of another program.</summary>
public sealed class LlamaFixtureTests(ITestOutputHelper output) : IDisposable
{
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData("lora")]
    [InlineData("rslora")]
    [InlineData("bone")]
    [InlineData("bat")]
    [InlineData("miss")]
    [InlineData("miss_pad")]
    [InlineData("miss_mini")]
    public void Adapter_computes_what_peft_computes(string name)
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        string folder = Path.Combine(root, name);
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, "model"));
        using Llama model = ModelLoader.Load(_device, files);
        using PeftFolder adapter = PeftFolder.Open(Path.Combine(folder, "adapter"));
        using var adapted = AdaptedModel.Load(model, adapter);
        Assert.Empty(adapter.Warnings);
        Assert.Equal(14, adapted.Layers.Count);
        TokenBatch batch = Batch(root);
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        float[] logits = TinyLlama.Logits(model, batch);
        Assert.InRange(TinyLlama.LargestDifference(expected.ReadFloats("logits"), logits), 0, 1e-4f);
        CheckGradients(folder, adapted, batch, adapter.Config.Method.FormerNames);

        float[][] before = [.. adapted.Layers.Select(l => l.Weight.Value.ToArray())];
        MergeCertificate certificate = adapted.Merge(batch);
        Assert.InRange(certificate.Logits.Largest, 0, 1e-4);
        Assert.InRange(TinyLlama.LargestDifference(logits, TinyLlama.Logits(model, batch)), 0, 1e-4f);
        if (File.Exists(Path.Combine(folder, "merged.safetensors")))
        {
            using var merged = SafetensorsFile.Open(Path.Combine(folder, "merged.safetensors"));
            Assert.Equal(14, merged.Tensors.Count);
            foreach (var layer in adapted.Layers)
                Assert.InRange(TinyLlama.LargestDifference(merged.ReadFloats(layer.Weight.Name), layer.Weight.Value.ToArray()), 0, 1e-6f);
        }
        output.WriteLine($"{name}: largest |dW| {certificate.LargestChange:g3}, logits differ by {certificate.Logits.Largest:g3}, unmerge error {certificate.UnmergeError:g3}");
        adapted.Unmerge();
        for (int i = 0; i < before.Length; i++)
            Assert.InRange(TinyLlama.LargestDifference(before[i], adapted.Layers[i].Weight.Value.ToArray()), 0, (float)certificate.UnmergeError!.Value);
    }

    [Fact]
    public void Full_fine_tuning_has_the_gradient_of_every_weight()
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, "model"));
        using Llama model = ModelLoader.Load(_device, files);
        using var full = new Full(model);
        Assert.Equal(125376, full.Parameters.Count);
        TokenBatch batch = Batch(root);
        using var expected = SafetensorsFile.Open(Path.Combine(root, "expected.safetensors"));
        Assert.InRange(TinyLlama.LargestDifference(expected.ReadFloats("logits"), TinyLlama.Logits(model, batch)), 0, 1e-4f);
        CheckGradients(Path.Combine(root, "full"), full, batch, new Dictionary<string, string>());
    }

    private static void CheckGradients(string folder, FineTuning tuned, TokenBatch batch, IReadOnlyDictionary<string, string> formerNames)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        float loss = TinyLlama.Loss(tuned.Model, batch, backward: true);
        Assert.Equal(json.RootElement.GetProperty("loss_f64").GetDouble(), loss, 1e-5);
        using var gradients = SafetensorsFile.Open(Path.Combine(folder, "grads.safetensors"));
        Assert.Equal(gradients.Tensors.Count, tuned.Parameters.Parameters.Count);
        double errors = 0, squares = 0;
        foreach (Parameter parameter in tuned.Parameters.Parameters)
        {
            string name = parameter.Name;
            foreach ((string former, string now) in formerNames)
                name = gradients.Tensors.ContainsKey(name) ? name : name.Replace(now, former, StringComparison.Ordinal);
            float[] want = gradients.ReadFloats(name), got = parameter.Value.Grad!.ToArray();
            Assert.True(TinyLlama.LargestDifference(want, got) <= 5e-5f * want.Max(Math.Abs), parameter.Name);
            errors += want.Zip(got, (a, b) => Math.Pow((double)a - b, 2)).Sum();
            squares += want.Sum(v => (double)v * v);
        }
        Assert.InRange(Math.Sqrt(errors / squares), 0, 2e-5);
        Assert.Equal(1, Math.Sqrt(squares) / json.RootElement.GetProperty("grad_norms_before_clip")[0].GetDouble(), 2e-5);
    }

    // Two sequences of 24; the pads at the end of the second are ordinary tokens.
    private static TokenBatch Batch(string root)
    {
        using var file = SafetensorsFile.Open(Path.Combine(root, "batch.safetensors"));
        int[] ids = [.. file.ReadInt64s("input_ids").Select(v => (int)v)], labels = [.. file.ReadInt64s("labels").Select(v => (int)v)];
        TokenBatch batch = TinyLlama.Batch([new TokenExample(ids[..24], labels[..24]), new TokenExample(ids[24..], labels[24..])]);
        Assert.Equal(35, batch.Targets);
        return batch;
    }
}
