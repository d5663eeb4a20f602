using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Engine.Devices;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests;

/// <summary>A two-layer RWKV-7 with adapters, from PEFT folders and RWKV-PEFT files: logits, loss, gradients, training and merged weights of another program.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class RwkvFixtureTests(KernelDevices devices, ITestOutputHelper output)
{
    private const double LoraAlpha = 16;

    public static TheoryData<string, string, string, string> Cases => new()
    {
        { "cpu", "model.safetensors", "lora", "adapter" },
        { "cpu", "model_fp32.pth", "lora", "adapter_rwkv_peft.pth" },
        { "cpu", "model_fp32.pth", "bone", "adapter" },
        { "cpu", "model.safetensors", "bone", "adapter_rwkv_peft.pth" },
        { "cpu", "model.safetensors", "bat_row", "adapter_rwkv_peft.pth" },
        { "cpu", "model_fp32.pth", "state", "state.pth" },
        { "cpu", "model.safetensors", "state", "state.safetensors" },
        { "opencl", "model.safetensors", "bat_row", "adapter_rwkv_peft.pth" },
        { "opencl", "model.safetensors", "state", "state.pth" },
        { "cuda", "model.safetensors", "lora", "adapter" },
        { "cuda", "model.safetensors", "bat_row", "adapter_rwkv_peft.pth" },
        { "cuda", "model.safetensors", "state", "state.pth" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Adapter_computes_what_rwkv_peft_computes(string kind, string weights, string name, string file)
    {
        if (!Fixtures.Find(output, "rwkv7", out string root) || !devices.Find(output, kind, out Device device))
            return;
        string folder = Path.Combine(root, name);
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, weights));
        using CausalModel model = ModelLoader.Load(device, files);
        using AdapterFiles adapter = AdapterFiles.Open(Path.Combine(folder, file), name == "lora" && file != "adapter" ? LoraAlpha : null);
        Assert.Empty(adapter.Warnings);
        using var adapted = AdaptedModel.Load(model, adapter);
        Assert.Equal(name == "bone" ? "miss" : name, adapted.Config.Method.Name);
        Assert.Equal(name == "state" ? 0 : 12, adapted.Layers.Count);
        TokenBatch batch = FixtureRun.Batch(root);
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        float[] logits = TinyLlama.Logits(model, batch);
        Assert.InRange(TinyLlama.LargestDifference(expected.ReadFloats("logits"), logits), 0, 1e-4f);
        FixtureRun.CheckGradients(folder, adapted, batch);

        MergeCertificate certificate = adapted.Merge(batch);
        Assert.InRange(certificate.Logits.Largest, 0, 1e-4);
        Assert.InRange(TinyLlama.LargestDifference(logits, TinyLlama.Logits(model, batch)), 0, 1e-4f);
        if (File.Exists(Path.Combine(folder, "merged.safetensors")))
        {
            using var merged = SafetensorsFile.Open(Path.Combine(folder, "merged.safetensors"));
            foreach (string weight in merged.Tensors.Keys)
                Assert.InRange(TinyLlama.LargestDifference(merged.ReadFloats(weight), model.Weights.Single(w => w.Name == weight).Value.ToArray()), 0, 1e-6f);
        }
        output.WriteLine($"{name}: largest |dW| {certificate.LargestChange:g3}, logits differ by {certificate.Logits.Largest:g3}, unmerge error {certificate.UnmergeError:g3}");
        adapted.Unmerge();
        Assert.InRange(TinyLlama.LargestDifference(logits, TinyLlama.Logits(model, batch)), 0, 1e-3f);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Ten_steps_go_as_the_reference_goes(string kind, string weights, string name, string file)
    {
        if (!Fixtures.Find(output, "rwkv7", out string root) || !devices.Find(output, kind, out Device device))
            return;
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, weights));
        using CausalModel model = ModelLoader.Load(device, files);
        using AdapterFiles adapter = AdapterFiles.Open(Path.Combine(root, name, file), name == "lora" && file != "adapter" ? LoraAlpha : null);
        // The reference lets everything decay.
        using var adapted = AdaptedModel.Load(model, adapter, config => config with { DecayStates = true });
        Expect(FixtureRun.Train(output, root, name, adapted));
    }

    [Theory]
    [InlineData("cpu", "model.safetensors")]
    [InlineData("cpu", "model_fp32.pth")]
    [InlineData("cuda", "model.safetensors")]
    public void Full_fine_tuning_goes_as_the_reference_goes(string kind, string weights)
    {
        if (!Fixtures.Find(output, "rwkv7", out string root) || !devices.Find(output, kind, out Device device))
            return;
        using var folder = new TemporaryFolder();
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, weights));
        using CausalModel model = ModelLoader.Load(device, files);
        TokenBatch batch = FixtureRun.Batch(root);
        using (var full = new Full(model))
        {
            Assert.Equal(147136, full.Parameters.Count);
            using var expected = SafetensorsFile.Open(Path.Combine(root, "expected.safetensors"));
            Assert.InRange(TinyLlama.LargestDifference(expected.ReadFloats("logits"), TinyLlama.Logits(model, batch)), 0, 1e-4f);
            FixtureRun.CheckGradients(Path.Combine(root, "full"), full, batch);
            Expect(FixtureRun.Train(output, root, "full", full));
            full.Save(folder["trained.pth"], files);
            full.Save(folder["trained"], files);
        }
        foreach (string written in new[] { "trained.pth", "trained" })
        {
            using ModelFolder trained = ModelFolder.Open(folder[written]);
            using CausalModel again = ModelLoader.Load(device, trained);
            Assert.Equal(files.Tensors.Tensors.Keys.Order(), trained.Tensors.Tensors.Keys.Order());
            Assert.All(files.Tensors.Tensors.Values, t => Assert.Equal(t.Shape, trained.Tensors.Tensors[t.Name].Shape));
            Assert.Equal(TinyLlama.Logits(model, batch), TinyLlama.Logits(again, batch));
        }
    }

    [Fact]
    public void Weights_in_bf16_give_the_reference_s_logits()
    {
        if (!Fixtures.Find(output, "rwkv7", out string root) || !devices.Find(output, "cpu", out Device device))
            return;
        using var folder = new TemporaryFolder();
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, "model_bf16.pth"));
        using CausalModel model = ModelLoader.Load(device, files);
        Assert.All(model.Linears, l => Assert.Equal(DType.BF16, l.Weight.Value.DType));
        using var expected = SafetensorsFile.Open(Path.Combine(root, "expected.safetensors"));
        TokenBatch batch = FixtureRun.Batch(root);
        Assert.InRange(TinyLlama.LargestDifference(expected.ReadFloats("logits_bf16_weights"), TinyLlama.Logits(model, batch)), 0, 1e-4f);
        ModelFolderWriter.Write(folder["same.pth"], model, files);
        using ModelFolder same = ModelFolder.Open(folder["same.pth"]);
        foreach (TensorInfo tensor in files.Tensors.Tensors.Values)
        {
            Assert.Equal(tensor.DType, same.Tensors.Tensors[tensor.Name].DType);
            Assert.Equal(files.Tensors.ReadFloats(tensor.Name), same.Tensors.ReadFloats(tensor.Name));
        }
    }

    private static void Expect((double Loss, double Norm, double Distance, double Farthest) differences)
    {
        Assert.InRange(differences.Loss, 0, 5e-5);
        Assert.InRange(differences.Norm, 0, 2e-5);
        Assert.InRange(differences.Distance, 0, 5e-4);
        Assert.InRange(differences.Farthest, 0, 1e-3);
    }
}
