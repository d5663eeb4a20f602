using Marrow.Adapters.Methods;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;

namespace Marrow.Adapters.Tests.Methods;

public sealed class LoraTests : AdapterContract
{
    protected override AdapterConfig Usual => new LoraConfig { R = 4, LoraAlpha = 8, LoraDropout = 0 };

    protected override IEnumerable<AdapterConfig> Odd =>
    [
        new LoraConfig { R = 5, LoraAlpha = 3, UseRslora = true },
        new LoraConfig { R = 40 },
        new LoraConfig { R = 2, RankPattern = new([(@"layers\.0\..*q_proj", 3), ("q_proj", 7)]), AlphaPattern = new([("down_proj", 0.5)]) },
    ];

    [Fact]
    public void Patterns_give_layers_their_own_rank_and_scale()
    {
        using var device = new CpuDevice(1);
        using Llama model = TinyLlama.Create(device);
        var config = new LoraConfig { R = 2, LoraAlpha = 4, RankPattern = new([(@"layers\.0\..*q_proj", 3), ("q_proj", 7)]), AlphaPattern = new([("v_proj", 1)]) };
        using var adapted = new AdaptedModel(model, config, 1);
        Assert.Equal([3, 2, 7, 2], adapted.Adapters.Select(a => a.Tensors[0].Shape[0]));
    }

    [Fact]
    public void A_starts_uniform_or_normal_as_in_peft()
    {
        using var device = new CpuDevice(1);
        using Llama model = TinyLlama.Create(device, TinyLlama.Config(hidden: 400));
        float[] Start(AdapterInit init)
        {
            using var adapted = new AdaptedModel(model, new LoraConfig { R = 50, InitWeights = init }, 1);
            Assert.Equal(init != AdapterInit.Random, adapted.Adapters[0].Values[1].ToArray().All(v => v == 0));
            return adapted.Adapters[0].Values[0].ToArray();
        }
        float[] uniform = Start(AdapterInit.Default), normal = Start(AdapterInit.Gaussian);
        Assert.InRange(uniform.Max(Math.Abs), 0.0495f, 0.05f);
        Assert.InRange(Deviation(uniform), 0.028, 0.0297);
        Assert.InRange(Deviation(normal), 0.0196, 0.0204);
        Assert.True(normal.Max(Math.Abs) > 0.06f);
        Assert.Equal(uniform, Start(AdapterInit.Random));
    }

    [Fact]
    public void A_merge_that_overflows_is_refused_before_any_weight_is_changed()
    {
        using var device = new CpuDevice(1);
        using Llama model = TinyLlama.Create(device);
        float[] first = model.Linears[0].Weight.Value.ToArray();
        using var adapted = new AdaptedModel(model, All(Usual), 1);
        TinyLlama.Scramble(adapted, 10f);
        adapted.Adapters[^1].Values[1].Upload<float>([.. Enumerable.Repeat(float.MaxValue, (int)adapted.Adapters[^1].Values[1].Shape.Count)]);
        Assert.Equal("AD008", Assert.Throws<MarrowException>(() => adapted.Merge(TinyLlama.Batch())).Code);
        Assert.Equal(first, model.Linears[0].Weight.Value.ToArray());
    }

    [Fact]
    public void A_row_of_zeros_stays_one_when_dora_is_merged()
    {
        using var device = new CpuDevice(1);
        using Llama model = TinyLlama.Create(device);
        var weight = model.Linears[0].Weight.Value;
        float[] values = weight.ToArray();
        values.AsSpan(0, weight.Shape.Last).Clear();
        weight.WriteFloats(values);
        using var adapted = new AdaptedModel(model, All(new DoraConfig { R = 2 }), 1);
        float[] logits = TinyLlama.Logits(model, TinyLlama.Batch());
        adapted.Merge(TinyLlama.Batch());
        Assert.All(model.Linears[0].Weight.Value.ToArray()[..weight.Shape.Last], v => Assert.Equal(0, v));
        Assert.InRange(TinyLlama.LargestDifference(logits, TinyLlama.Logits(model, TinyLlama.Batch())), 0, 1e-4f);
    }

    private static double Deviation(float[] values) => Math.Sqrt(values.Average(v => (double)v * v));
}

public sealed class MissTests : AdapterContract
{
    protected override AdapterConfig Usual => new MissConfig { R = 4 };

    protected override IEnumerable<AdapterConfig> Odd => [new MissConfig { R = 7 }, new MissConfig { R = 100 }, new MissConfig { R = 1 }, new MissConfig { R = 23 }];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Dropout_acts_in_training_only(bool lora)
    {
        using var device = new CpuDevice(1);
        using Llama model = TinyLlama.Create(device);
        AdapterConfig config = lora ? new LoraConfig { R = 4, LoraDropout = 0.5 } : new MissConfig { R = 4, MissDropout = 0.5 };
        using var adapted = new AdaptedModel(model, config, 1);
        TinyLlama.Scramble(adapted);
        float[] Logits(bool training, ulong key)
        {
            using var tape = new Tape(device) { Training = training, DrawKey = key };
            return model.Logits(tape, TinyLlama.Batch()).ToArray();
        }
        Assert.Equal(Logits(false, 1), Logits(false, 2));
        Assert.Equal(Logits(true, 1), Logits(true, 1));
        Assert.NotEqual(Logits(true, 1), Logits(true, 2));
        Assert.NotEqual(Logits(true, 1), Logits(false, 1));
    }
}

public sealed class MissMiniTests : AdapterContract
{
    protected override AdapterConfig Usual => new MissMiniConfig { R = 4, MiniR = 2 };

    protected override IEnumerable<AdapterConfig> Odd => [new MissMiniConfig { R = 7, MiniR = 4 }, new MissMiniConfig { R = 50, MiniR = 1 }];

    [Fact]
    public void Columns_that_do_not_divide_the_outputs_are_refused_by_name()
    {
        using var device = new CpuDevice(1);
        using Llama model = TinyLlama.Create(device);
        var error = Assert.Throws<MarrowException>(() => new AdaptedModel(model, All(new MissMiniConfig { R = 4, MiniR = 3 }), 1));
        Assert.Equal("AD005", error.Code);
        Assert.Contains("k_proj", error.Message, StringComparison.Ordinal);
        Assert.Contains("[4,24]", error.Message, StringComparison.Ordinal);
        Assert.Equal("AD001", Assert.Throws<MarrowException>(() => new AdaptedModel(model, All(new MissMiniConfig { R = 4, MiniR = 0 }), 1)).Code);
    }
}

public sealed class BatTests : AdapterContract
{
    protected override AdapterConfig Usual => new BatConfig { R = 4 };

    protected override IEnumerable<AdapterConfig> Odd => [new BatConfig { R = 1 }, new BatConfig { R = 2 }];

    // W' is rounded to fp32 before (I + B)⁻¹ multiplies the rounding error.
    protected override double UnmergeTolerance => 1e-5;

    [Fact]
    public void Blocks_that_do_not_divide_the_weight_are_refused_by_name()
    {
        using var device = new CpuDevice(1);
        using Llama model = TinyLlama.Create(device);
        var error = Assert.Throws<MarrowException>(() => new AdaptedModel(model, All(new BatConfig { R = 8 }), 1));
        Assert.Equal("AD005", error.Code);
        Assert.Contains("self_attn.q_proj", error.Message, StringComparison.Ordinal);
    }
}

public sealed class BatRowTests : AdapterContract
{
    protected override AdapterConfig Usual => new BatRowConfig { R = 4 };

    protected override IEnumerable<AdapterConfig> Odd => [new BatRowConfig { R = 1 }, new BatRowConfig { R = 2 }];

    protected override double UnmergeTolerance => 1e-5;

    [Fact]
    public void Blocks_that_do_not_divide_the_weight_are_refused_by_name()
    {
        using var device = new CpuDevice(1);
        using Llama model = TinyLlama.Create(device);
        var error = Assert.Throws<MarrowException>(() => new AdaptedModel(model, All(new BatRowConfig { R = 8 }), 1));
        Assert.Equal("AD005", error.Code);
        Assert.Contains("self_attn.q_proj", error.Message, StringComparison.Ordinal);
        Assert.Equal("AD001", Assert.Throws<MarrowException>(() => new AdaptedModel(model, new BatRowConfig { InitWeights = AdapterInit.Gaussian }, 1)).Code);
    }
}
