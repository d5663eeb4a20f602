using Marrow.Adapters.Merging;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Targets;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Tests.Methods;

/// <summary>What every method owes: tested for each method that derives from this, on each family of models.</summary>
public abstract class AdapterContract : IDisposable
{
    private readonly CpuDevice _device = new(2);

    public static TheoryData<string> Families => [.. TinyModels.Families];

    /// <summary>A configuration for a model of hidden size 24, inner size 36, projections of 12 and 4 outputs.</summary>
    protected abstract AdapterConfig Usual { get; }

    /// <summary>The method's settings for sizes that fit badly; may equal <see cref="Usual"/>.</summary>
    protected abstract IEnumerable<AdapterConfig> Odd { get; }

    /// <summary>The error of unmerging in fp32, for weights of about 0.2 and adapter values of about 0.1.</summary>
    protected virtual double UnmergeTolerance => 1e-6;

    public void Dispose()
    {
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_fresh_adapter_changes_nothing(string family)
    {
        using CausalModel model = TinyModels.Create(_device, family);
        TokenBatch batch = TinyLlama.Batch();
        float[] before = TinyLlama.Logits(model, batch);
        using var adapted = new AdaptedModel(model, All(Usual), seed: 3);
        Assert.Equal(model.Linears.Count, adapted.Layers.Count);
        Assert.InRange(TinyLlama.LargestDifference(before, TinyLlama.Logits(model, batch)), 0, 1e-5f);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Every_trained_value_gets_a_gradient_and_detaching_gives_the_base_back(string family)
    {
        using CausalModel model = TinyModels.Create(_device, family);
        TokenBatch batch = TinyLlama.Batch();
        float[] before = TinyLlama.Logits(model, batch);
        using var adapted = new AdaptedModel(model, All(Usual), seed: 3);
        TinyLlama.Scramble(adapted);
        TinyLlama.Loss(model, batch, backward: true);
        Assert.All(adapted.Parameters.Parameters, p => Assert.Contains(p.Value.Grad!.ToArray(), g => g != 0));
        Assert.True(TinyLlama.LargestDifference(before, TinyLlama.Logits(model, batch)) > 0.01f);
        adapted.Detach();
        Assert.Equal(before, TinyLlama.Logits(model, batch));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Computing_blocks_again_in_backward_gives_the_same_bits(string family)
    {
        using CausalModel model = TinyModels.Create(_device, family);
        AdapterConfig config = All(Usual) switch
        {
            Adapters.Methods.LoraConfig lora => lora with { LoraDropout = 0.3 },
            Adapters.Methods.MissConfig miss => miss with { MissDropout = 0.3 },
            var other => other,
        };
        using var adapted = new AdaptedModel(model, config, seed: 3);
        TinyLlama.Scramble(adapted);
        float[] Gradients(bool again)
        {
            model.ActivationCheckpointing = again;
            adapted.Parameters.Gradients.Clear();
            TinyLlama.Loss(model, TinyLlama.Batch(), backward: true);
            return adapted.Parameters.Gradients.ToArray();
        }
        Assert.Equal(Gradients(false), Gradients(true));
    }

    [Fact]
    public void Equal_seeds_start_equally()
    {
        using Llama model = TinyLlama.Create(_device);
        float[] Values(ulong seed)
        {
            using var adapted = new AdaptedModel(model, All(Usual) with { InitWeights = AdapterInit.Random }, seed);
            return adapted.Parameters.Values.ToArray();
        }
        Assert.Equal(Values(3), Values(3));
        Assert.NotEqual(Values(3), Values(4));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_merged_model_computes_as_the_adapter_whatever_the_sizes(string family)
    {
        foreach (AdapterConfig config in Odd.Prepend(Usual))
        {
            using CausalModel model = TinyModels.Create(_device, family);
            TokenBatch batch = TinyLlama.Batch();
            using var adapted = new AdaptedModel(model, All(config), seed: 3);
            TinyLlama.Scramble(adapted);
            float[] applied = TinyLlama.Logits(model, batch);
            float[][] weights = [.. model.Weights.Select(w => w.Value.ToArray())];
            MergeCertificate certificate = adapted.Merge(batch);
            Assert.All(model.Linears, l => Assert.Null(l.Adapter));
            float largest = TinyLlama.LargestDifference(applied, TinyLlama.Logits(model, batch));
            Assert.InRange(largest, 0, 1e-4f);
            Assert.Equal(largest, certificate.Logits.Largest, 1e-7);
            Assert.InRange(certificate.Logits.Mean, 0, certificate.Logits.Largest);
            Assert.Equal(model.Linears.Count, certificate.Tensors.Count);
            float[][] merged = [.. model.Weights.Select(w => w.Value.ToArray())];
            Assert.Equal(weights.Zip(merged, TinyLlama.LargestDifference).Max(), certificate.LargestChange, 1e-7);
            Assert.InRange(certificate.LargestChange, 0.01, 10);
            adapted.Unmerge();
            Assert.InRange(certificate.UnmergeError!.Value, 0, UnmergeTolerance);
            Assert.InRange(weights.Zip(model.Weights, (w, now) => TinyLlama.LargestDifference(w, now.Value.ToArray())).Max(), 0, (float)certificate.UnmergeError.Value);
            Assert.InRange(TinyLlama.LargestDifference(applied, TinyLlama.Logits(model, batch)), 0, 1e-3f);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_merge_into_bf16_is_rounded_once(string family)
    {
        using CausalModel model = TinyModels.Create(_device, family);
        Narrow(model);
        using var adapted = new AdaptedModel(model, All(Usual), seed: 3);
        TinyLlama.Scramble(adapted);
        LayerAdapter first = adapted.Adapters[0];
        double[] exact = Array.ConvertAll(first.Layer.Weight.Value.ToArray(), v => (double)v);
        WeightChange change = first.Change();
        int n = first.Layer.Inputs;
        for (int o = 0; o < first.Layer.Outputs; o++)
            change.Apply(o, exact.AsSpan(o * n, n));
        MergeCertificate certificate = adapted.Merge(TinyLlama.Batch());
        Assert.Equal(DType.BF16, first.Layer.Weight.Value.DType);
        Assert.Equal(Array.ConvertAll(exact, v => (float)(BFloat16)(float)v), first.Layer.Weight.Value.ToArray());
        Assert.InRange(certificate.UnmergeError!.Value, 1e-5, 0.1);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void Values_that_are_not_finite_never_touch_the_base(float poison)
    {
        using Llama model = TinyLlama.Create(_device);
        float[][] weights = [.. model.Weights.Select(w => w.Value.ToArray())];
        using var adapted = new AdaptedModel(model, All(Usual), seed: 3);
        TinyLlama.Scramble(adapted, 2f);
        // In the last layer: the ones before must stay as well.
        adapted.Adapters[^1].Values[^1].Upload<float>([.. Enumerable.Repeat(poison, (int)adapted.Adapters[^1].Values[^1].Shape.Count)]);
        var error = Assert.Throws<MarrowException>(() => adapted.Merge(TinyLlama.Batch()));
        Assert.Equal("AD008", error.Code);
        Assert.All(weights.Zip(model.Weights), p => Assert.Equal(p.First, p.Second.Value.ToArray()));
        Assert.Same(adapted.Adapters[0], model.Linears[0].Adapter);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_folder_comes_back_bit_for_bit(string family)
    {
        using var folder = new TemporaryFolder();
        using CausalModel model = TinyModels.Create(_device, family);
        TokenBatch batch = TinyLlama.Batch();
        float[] logits;
        (string inner, string outer, string head) = family == "llama" ? ("q_proj", "down_proj", "lm_head") : ("output", "value", "head");
        AdapterConfig config = All(Usual) with { Targets = new TargetSelection { TargetModules = new(inner, outer), ModulesToSave = [head] } };
        using (var adapted = new AdaptedModel(model, config, seed: 3))
        {
            TinyLlama.Scramble(adapted);
            logits = TinyLlama.Logits(model, batch);
            PeftFolder.Write(folder["a"], adapted, "some/base");
        }
        using (PeftFolder files = PeftFolder.Open(folder["a"]))
        {
            Assert.Empty(files.Warnings);
            Assert.Equal(config.GetType(), files.Config.GetType());
            Assert.Equal("some/base", files.Config.BaseModel);
            Assert.Equal("pt", files.Tensors.Metadata["format"]);
            Assert.All(files.Tensors.Tensors.Values, t => Assert.Equal(DType.F32, t.DType));
            Assert.Contains($"base_model.model.{head}.weight", files.Tensors.Tensors.Keys);
            using AdaptedModel again = AdaptedModel.Load(model, files);
            Assert.Equal(logits, TinyLlama.Logits(model, batch));
            PeftFolder.Write(folder["b"], again);
        }
        foreach (string name in new[] { PeftConfig.FileName, PeftFolder.TensorFile, "README.md" })
            Assert.Equal(File.ReadAllBytes(folder["a", name]), File.ReadAllBytes(folder["b", name]));
    }

    [Fact]
    public void A_rank_of_zero_or_less_is_refused()
    {
        using Llama model = TinyLlama.Create(_device);
        foreach (int r in new[] { 0, -4 })
            Assert.Equal("AD001", Assert.Throws<MarrowException>(() => new AdaptedModel(model, All(Usual) with { R = r }, 1)).Code);
        Assert.All(model.Linears, l => Assert.Null(l.Adapter));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_step_allocates_nothing_on_the_heap(string family)
    {
        using CausalModel model = TinyModels.Create(_device, family);
        using var adapted = new AdaptedModel(model, All(Usual), seed: 3);
        TokenBatch batch = TinyLlama.Batch();
        using var tape = new Engine.Autograd.Tape(_device);
        void Step()
        {
            tape.Recording = tape.Training = true;
            tape.Backward(model.Loss(tape, batch, 1f, out _));
            tape.Clear();
        }
        for (int i = 0; i < 5; i++)
            Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
            Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>The configuration for all linear layers of the tiny model.</summary>
    protected static AdapterConfig All(AdapterConfig config) => config with { Targets = config.Targets with { TargetModules = new(ModulePattern.AllLinear) } };

    private static void Narrow(CausalModel model)
    {
        foreach (var weight in model.Linears.Select(l => l.Weight).Append(model.Head))
        {
            var narrow = new Engine.Tensor(model.Device, weight.Value.Shape, DType.BF16);
            narrow.WriteFloats(weight.Value.ToArray());
            weight.Replace(narrow);
        }
    }
}
