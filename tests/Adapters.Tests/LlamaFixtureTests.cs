using System.Text.Json;
using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Engine.Devices;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests;

/// <summary>A two-layer Llama with adapters: logits, loss, gradients and merged weights of another program.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class LlamaFixtureTests(KernelDevices devices, ITestOutputHelper output)
{
    private static readonly string[] Kinds = ["cpu", "opencl", "cuda"], Methods = ["lora", "rslora", "bone", "bat", "miss", "miss_pad", "miss_mini"];

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (string kind in Kinds)
                foreach (string name in Methods)
                    cases.Add(kind, name);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Adapter_computes_what_peft_computes(string kind, string name)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device))
            return;
        string folder = Path.Combine(root, name);
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, "model"));
        using CausalModel model = ModelLoader.Load(device, files);
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

    [Theory]
    [MemberData(nameof(Cases))]
    public void Ten_steps_go_as_the_reference_goes(string kind, string name)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device))
            return;
        (double loss, double norm, double distance) = Train(device, root, name, null, DType.F32);
        // Ten times the distance between the reference in single and in double precision.
        Assert.InRange(loss, 0, 5e-6);
        Assert.InRange(norm, 0, 2e-5);
        Assert.InRange(distance, 0, 5e-4);
    }

    /// <summary>Weights and activations in bf16 against the reference in fp32: losses of about 6 within 0.015, norms within 1 %, the way of the adapter within a tenth (AdamW's first steps take the sign of gradients near 0).</summary>
    [Theory]
    [InlineData("opencl", "lora")]
    [InlineData("opencl", "bone")]
    [InlineData("cuda", "lora")]
    [InlineData("cuda", "bone")]
    public void Ten_steps_in_bf16_stay_near_the_reference(string kind, string name)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device))
            return;
        (double loss, double norm, double distance) = Train(device, root, name, DType.BF16, DType.BF16);
        Assert.InRange(loss, 0, 1.5e-2);
        Assert.InRange(norm, 0, 1e-2);
        Assert.InRange(distance, 0, 0.1);
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Full_fine_tuning_has_the_gradient_of_every_weight(string kind)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device))
            return;
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, "model"));
        using CausalModel model = ModelLoader.Load(device, files);
        using var full = new Full(model);
        Assert.Equal(125376, full.Parameters.Count);
        TokenBatch batch = Batch(root);
        using var expected = SafetensorsFile.Open(Path.Combine(root, "expected.safetensors"));
        Assert.InRange(TinyLlama.LargestDifference(expected.ReadFloats("logits"), TinyLlama.Logits(model, batch)), 0, 1e-4f);
        CheckGradients(Path.Combine(root, "full"), full, batch, new Dictionary<string, string>());
    }

    /// <summary>Ten steps on the fixture's batch; the largest difference of the losses, that of the norms as a part of them, and how far the adapter ends from the reference's as a part of its way.</summary>
    private (double Loss, double Norm, double Distance) Train(Device device, string root, string name, DType? matrices, DType activations)
    {
        string folder = Path.Combine(root, name);
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, "model"));
        using CausalModel model = ModelLoader.Load(device, files, matrices);
        model.ActivationType = activations;
        using PeftFolder adapter = PeftFolder.Open(Path.Combine(folder, "adapter"));
        using var adapted = AdaptedModel.Load(model, adapter);
        float[][] start = [.. adapted.Parameters.Parameters.Select(p => p.Value.ToArray())];
        var options = new TrainingOptions { MaxSteps = 10, BatchSize = 2, LearningRate = 1e-3, Shuffle = false };
        using var trainer = new Trainer(model, adapted.Parameters, TokenDataset.From(Examples(root)), options);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        double loss = 0, norm = 0, difference = 0, way = 0;
        for (int i = 0; i < 10; i++)
        {
            StepReport report = trainer.RunStep();
            double expected = json.RootElement.GetProperty("grad_norms_before_clip")[i].GetDouble();
            loss = Math.Max(loss, Math.Abs(report.Loss - json.RootElement.GetProperty("losses")[i].GetDouble()));
            norm = Math.Max(norm, Math.Abs(report.GradNorm - expected) / expected);
        }
        using var final = SafetensorsFile.Open(Path.Combine(folder, "final.safetensors"));
        for (int p = 0; p < start.Length; p++)
        {
            Parameter parameter = adapted.Parameters.Parameters[p];
            float[] want = final.ReadFloats(FormerName(final, parameter.Name, adapter.Config.Method.FormerNames)), got = parameter.Value.ToArray();
            difference += want.Zip(got, (a, b) => Math.Pow((double)a - b, 2)).Sum();
            way += want.Zip(start[p], (a, b) => Math.Pow((double)a - b, 2)).Sum();
        }
        double distance = Math.Sqrt(difference / way);
        output.WriteLine($"{name}: losses differ by {loss:g3}, norms by {norm:g3} of their size, the adapter by {distance:g3} of its way");
        return (loss, norm, distance);
    }

    private static string FormerName(SafetensorsFile file, string name, IReadOnlyDictionary<string, string> formerNames)
    {
        foreach ((string former, string now) in formerNames)
            name = file.Tensors.ContainsKey(name) ? name : name.Replace(now, former, StringComparison.Ordinal);
        return name;
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
            float[] want = gradients.ReadFloats(FormerName(gradients, parameter.Name, formerNames)), got = parameter.Value.Grad!.ToArray();
            Assert.True(TinyLlama.LargestDifference(want, got) <= 5e-5f * want.Max(Math.Abs), parameter.Name);
            errors += want.Zip(got, (a, b) => Math.Pow((double)a - b, 2)).Sum();
            squares += want.Sum(v => (double)v * v);
        }
        Assert.InRange(Math.Sqrt(errors / squares), 0, 2e-5);
        Assert.Equal(1, Math.Sqrt(squares) / json.RootElement.GetProperty("grad_norms_before_clip")[0].GetDouble(), 2e-5);
    }

    // Two sequences of 24; the pads at the end of the second are ordinary tokens.
    private static TokenExample[] Examples(string root)
    {
        using var file = SafetensorsFile.Open(Path.Combine(root, "batch.safetensors"));
        int[] ids = [.. file.ReadInt64s("input_ids").Select(v => (int)v)], labels = [.. file.ReadInt64s("labels").Select(v => (int)v)];
        return [new(ids[..24], labels[..24]), new(ids[24..], labels[24..])];
    }

    private static TokenBatch Batch(string root)
    {
        TokenBatch batch = TinyLlama.Batch(Examples(root));
        Assert.Equal(35, batch.Targets);
        return batch;
    }
}
