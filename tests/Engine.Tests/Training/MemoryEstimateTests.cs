using Marrow.Engine.Devices;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Models;
using Marrow.Engine.Training;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Training;

[Collection(KernelDeviceTests.Name)]
public sealed class MemoryEstimateTests(KernelDevices devices, ITestOutputHelper output)
{
    public static TheoryData<string, bool, string, DType> Cases => new()
    {
        { "llama", false, "cpu", DType.F32 }, { "llama", true, "cpu", DType.F32 }, { "qwen3", false, "cpu", DType.F32 }, { "qwen3", true, "cpu", DType.F32 },
        { "rwkv7", false, "cpu", DType.F32 }, { "rwkv7", true, "cpu", DType.F32 }, { "rwkv6", false, "cpu", DType.F32 }, { "rwkv6", true, "cpu", DType.F32 },
        { "gemma3_text", false, "cpu", DType.F32 }, { "gemma3_text", true, "cpu", DType.F32 },
        { "llama", false, "opencl", DType.F32 }, { "llama", false, "opencl", DType.BF16 }, { "qwen3", false, "opencl", DType.BF16 },
        { "gemma3_text", false, "opencl", DType.BF16 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Foretells_the_measured_peak(string type, bool checkpointing, string kind, DType activations)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        ModelConfig config = type.StartsWith("rwkv", StringComparison.Ordinal) ? TinyRwkv.Config(type[4] - '0', headSize: 16, layers: 5) with
        {
            HiddenSize = 64, IntermediateSize = 224, VocabularySize = 700, HasInitialStates = false,
        }
        : Tiny.Config with
        {
            ModelType = type, QueryKeyNorm = type != "llama", TiedEmbeddings = type != "llama", OutputNorms = type == "gemma3_text", GeluGate = type == "gemma3_text", LayerCount = 5, HiddenSize = 64, HeadDim = 16, IntermediateSize = 160, VocabularySize = 700,
        };
        TokenDataset data = Tiny.Data(4, 150, 150);
        using CausalModel model = ModelLoader.Create(device, config, 1);
        MemoryEstimate estimate = MemoryEstimate.For(config, DType.F32, 0, 600, checkpointing);
        model.ActivationType = activations;
        Assert.Equal(model.WeightBytes, estimate.Weights);

        // The weights become the parameters here, so they are counted once, as those.
        using ParameterSet parameters = Tiny.TrainAll(model);
        estimate = MemoryEstimate.For(config, DType.F32, parameters.Count, 600, checkpointing, activations) with { Weights = 0 };
        using var trainer = new Trainer(model, parameters, data, new TrainingOptions { MaxSteps = 2, BatchSize = 4, ActivationCheckpointing = checkpointing });
        trainer.Run();
        double ratio = (double)device.PeakBytes / estimate.Total;
        double withoutParameters = (double)(device.PeakBytes - estimate.Trainable) / (estimate.Total - estimate.Trainable);
        output.WriteLine($"measured {device.PeakBytes}, estimated {estimate}: {ratio:f3}, without parameters {withoutParameters:f3}");
        Assert.InRange(ratio, 0.9, 1.15);
        Assert.InRange(withoutParameters, 0.9, 1.15);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void Counts_carried_states(int version)
    {
        Assert.True(devices.Find(output, "cpu", out Device device));
        ModelConfig config = TinyRwkv.Config(version, headSize: 32, layers: 4);
        using CausalModel model = ModelLoader.Create(device, config, 1);
        using ParameterSet parameters = Tiny.TrainAll(model);
        MemoryEstimate estimate = MemoryEstimate.For(config, DType.F32, parameters.Count, 24 * 4, false, sequences: 24, carries: true) with { Weights = 0 };
        using var trainer = new Trainer(model, parameters, Tiny.Data(24, 64, 64), new TrainingOptions { MaxSteps = 2, BatchSize = 24, SegmentLength = 4 });
        trainer.Run();
        double ratio = (double)(device.PeakBytes - estimate.Trainable) / (estimate.Total - estimate.Trainable);
        output.WriteLine($"measured {device.PeakBytes}, estimated {estimate}: without parameters {ratio:f3}");
        Assert.InRange(ratio, 0.9, 1.15);
    }

    [Fact]
    public void Counts_a_known_model()
    {
        // TinyLlama 1.1B: 1,100,048,384 weights.
        var config = new LlamaConfig
        {
            ModelType = "llama", VocabularySize = 32000, HiddenSize = 2048, IntermediateSize = 5632, LayerCount = 22, HeadCount = 32, KeyValueHeadCount = 4, HeadDim = 64, MaxPositions = 2048,
        };
        Assert.Equal(4 * 1_100_048_384L, MemoryEstimate.For(config, DType.F32, 0, 1, false).Weights);
        MemoryEstimate estimate = MemoryEstimate.For(config, DType.BF16, 10_000_000, 4096, false);
        Assert.Equal(160_000_000, estimate.Trainable);
        MemoryEstimate checkpointing = MemoryEstimate.For(config, DType.BF16, 10_000_000, 4096, true);
        Assert.InRange(checkpointing.Total - checkpointing.Weights, 1, (estimate.Total - estimate.Weights) / 4);
    }
}
