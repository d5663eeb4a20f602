using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Engine;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests;

/// <summary>Adapters over frozen weights that stay in quantised blocks.</summary>
public sealed class QuantisedModelTests(ITestOutputHelper output) : IDisposable
{
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    public static TheoryData<DType, string> Methods
    {
        get
        {
            var cases = new TheoryData<DType, string>();
            foreach (BlockFormat format in BlockFormats.All.Where(f => f.Encode is not null && f.Decode is not null))
                foreach (string method in new[] { "lora", "dora", "miss", "bat", "mini", "full" })
                    cases.Add(format.DType, method);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_model_computes_the_bits_of_its_decoded_weights(DType type, string method)
    {
        using CausalModel model = ModelLoader.Create(_device, Config, 5, type), decoded = Decoded(model);
        Assert.All(model.Linears, l => Assert.Equal(type, l.Weight.Value.DType));
        Assert.Equal(type is DType.NF4 ? DType.F32 : DType.Q8_0, model.Head.Value.DType);
        Same(model, decoded, method, TinyLlama.Batch());
    }

    [Theory]
    [InlineData("lora")]
    [InlineData("miss")]
    public void A_quantised_checkpoint_computes_the_bits_of_its_decoded_weights(string method)
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, "model"));
        using CausalModel plain = ModelLoader.Load(_device, files), model = ModelLoader.Load(_device, files, DType.Q8_0), decoded = Decoded(model);
        TokenBatch batch = FixtureRun.Batch(root);
        float exact = TinyLlama.Loss(plain, batch), quantised = TinyLlama.Loss(model, batch);
        output.WriteLine($"loss {exact}, over Q8_0 {quantised}; {plain.WeightBytes} and {model.WeightBytes} bytes");
        Assert.NotEqual(exact, quantised);
        Assert.Equal(exact, quantised, 0.02f);
        // The rows of 176 values of the down projections are not whole blocks of 32.
        Assert.Equal("2 of 14 linear layers are not Q8_0, whose blocks of 32 values do not fill their rows: model.layers.0.mlp.down_proj.weight [64,176] F32, model.layers.1.mlp.down_proj.weight [64,176] F32",
            Assert.Single(WeightTypes.Remarks(model, DType.Q8_0, files.Tensors)));
        Same(model, decoded, method, batch);
    }

    [Theory]
    [InlineData("lora")]
    [InlineData("dora")]
    [InlineData("miss")]
    [InlineData("bat")]
    public void A_steady_step_allocates_nothing(string method)
    {
        using CausalModel model = ModelLoader.Create(_device, Config, 5, DType.Q8_0);
        using FineTuning tuning = Tune(model, method);
        TokenDataset data = TokenDataset.From([.. Enumerable.Range(0, 4).Select(s => new Formats.TokenExample([.. Enumerable.Range(s, 40)], [.. Enumerable.Range(s, 40)]))]);
        using var trainer = new Trainer(model, tuning.Parameters, data, new TrainingOptions { MaxSteps = int.MaxValue, BatchSize = 4 });
        for (int i = 0; i < 10; i++)
            trainer.RunStep();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 3; i++)
            trainer.RunStep();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Merging_makes_the_quantised_layers_fp32()
    {
        using CausalModel model = ModelLoader.Create(_device, Config, 5, DType.Q8_0);
        using var adapted = new AdaptedModel(model, new LoraConfig { R = 2, Targets = new() { ModulesToSave = ["lm_head"] } }, 1);
        TinyLlama.Scramble(adapted);
        float[] before = model.Linears[0].Weight.Value.ToArray(), logits = TinyLlama.Logits(model, TinyLlama.Batch());
        MergeCertificate certificate = adapted.Merge(TinyLlama.Batch());
        Assert.All(adapted.Layers, l => Assert.Equal(DType.F32, l.Weight.Value.DType));
        Assert.All(certificate.Tensors, t => Assert.StartsWith("F32[", t.StoredAs, StringComparison.Ordinal));
        Assert.Equal(DType.F32, model.Head.Value.DType);
        Assert.InRange(TinyLlama.LargestDifference(logits, TinyLlama.Logits(model, TinyLlama.Batch())), 0, 1e-4f);
        using CausalModel other = ModelLoader.Create(_device, Config, 5, DType.Q8_0);
        using var part = new AdaptedModel(other, new LoraConfig { R = 2 }, 1);
        TinyLlama.Scramble(part);
        MergeCertificate undone = part.Merge(TinyLlama.Batch());
        part.Unmerge();
        Assert.InRange(TinyLlama.LargestDifference(before, other.Linears[0].Weight.Value.ToArray()), 0, 1.01f * (float)undone.UnmergeError!.Value);
        Assert.InRange(undone.UnmergeError!.Value, 0, 1e-6);
    }

    private static LlamaConfig Config => TinyLlama.Config(hidden: 256, ffn: 512) with { VocabularySize = 64, HeadCount = 4, HeadDim = 64 };

    private static FineTuning Tune(CausalModel model, string method) => method switch
    {
        "lora" => new AdaptedModel(model, new LoraConfig { R = 3 }, 1),
        "dora" => new AdaptedModel(model, new DoraConfig { R = 3 }, 1),
        "miss" => new AdaptedModel(model, new MissConfig { R = 5 }, 1),
        "bat" => new AdaptedModel(model, new BatConfig { R = 16 }, 1),
        "mini" => new AdaptedModel(model, new MissMiniConfig { R = 16, MiniR = 4 }, 1),
        _ => new Full(model),
    };

    // Logits, one step of generation, and the gradient of everything trained.
    private static void Same(CausalModel model, CausalModel decoded, string method, TokenBatch batch)
    {
        Assert.Equal(TinyLlama.Logits(decoded, batch), TinyLlama.Logits(model, batch));
        Assert.Equal(Next(decoded), Next(model));
        using FineTuning a = Tune(model, method), b = Tune(decoded, method);
        if (method != "full")
        {
            TinyLlama.Scramble(a);
            TinyLlama.Scramble(b);
        }
        Assert.Equal(TinyLlama.Loss(decoded, batch, backward: true), TinyLlama.Loss(model, batch, backward: true));
        Assert.All(a.Parameters.Parameters.Zip(b.Parameters.Parameters), p =>
        {
            float[] gradient = p.First.Value.Grad!.ToArray();
            Assert.Equal(p.Second.Value.Grad!.ToArray(), gradient);
            Assert.Contains(gradient, g => g != 0);
        });
    }

    private static float[] Next(CausalModel model)
    {
        using var tape = new Tape(model.Device);
        SequenceState state = model.CreateState(8);
        try
        {
            model.Next(tape, [1, 2, 3], state);
            return model.Next(tape, [4], state).ToArray();
        }
        finally
        {
            (state as IDisposable)?.Dispose();
        }
    }

    private CausalModel Decoded(CausalModel model)
    {
        var weights = model.Weights.ToDictionary(w => w.Name, w => w.Value);
        return ModelLoader.Build(_device, model.Config, (name, shape) => Tensor.Of(_device, shape, weights[name].ToArray()));
    }
}
