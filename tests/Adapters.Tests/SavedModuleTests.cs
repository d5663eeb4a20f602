using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Tests;

/// <summary>Modules trained whole beside an adapter, and full fine-tuning.</summary>
public sealed class SavedModuleTests : IDisposable
{
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData("lm_head", "lm_head.weight")]
    [InlineData("embed_tokens", "model.embed_tokens.weight")]
    [InlineData("model.norm", "model.norm.weight")]
    [InlineData("o_proj", "model.layers.0.self_attn.o_proj.weight model.layers.1.self_attn.o_proj.weight")]
    [InlineData("k_proj", "model.layers.0.self_attn.k_proj.weight model.layers.0.self_attn.k_proj.bias model.layers.1.self_attn.k_proj.weight model.layers.1.self_attn.k_proj.bias")]
    public void A_saved_module_is_trained_from_the_base_s_values_and_given_back(string name, string weights)
    {
        using Llama model = TinyLlama.Create(_device, TinyLlama.Config(tied: true, bias: true));
        float[] before = TinyLlama.Logits(model, TinyLlama.Batch());
        string[] names = weights.Split(' ');
        using var adapted = new AdaptedModel(model, new MissConfig { R = 2, Targets = new() { ModulesToSave = [name] } }, 1);
        Assert.Equal(names.Select(n => "base_model.model." + n), adapted.Parameters.Parameters.Skip(4).Select(p => p.Name));
        Assert.InRange(TinyLlama.LargestDifference(before, TinyLlama.Logits(model, TinyLlama.Batch())), 0, 1e-5f);
        TinyLlama.Loss(model, TinyLlama.Batch(), backward: true);
        Assert.All(adapted.Parameters.Parameters.Skip(4), p => Assert.Contains(p.Value.Grad!.ToArray(), g => g != 0));
        TinyLlama.Scramble(adapted);
        float[] trained = TinyLlama.Logits(model, TinyLlama.Batch());
        Assert.True(TinyLlama.LargestDifference(before, trained) > 0.01f);
        adapted.Detach();
        Assert.Equal(before, TinyLlama.Logits(model, TinyLlama.Batch()));
        adapted.Attach();
        var certificate = adapted.Merge(TinyLlama.Batch());
        Assert.Equal(4 + names.Length, certificate.Tensors.Count);
        Assert.InRange(TinyLlama.LargestDifference(trained, TinyLlama.Logits(model, TinyLlama.Batch())), 0, 1e-4f);
        adapted.Unmerge();
        adapted.Detach();
        Assert.InRange(TinyLlama.LargestDifference(before, TinyLlama.Logits(model, TinyLlama.Batch())), 0, 1e-4f);
    }

    [Fact]
    public void A_saved_embedding_leaves_a_tied_head_as_it_was()
    {
        using Llama model = TinyLlama.Create(_device, TinyLlama.Config(tied: true));
        float[] head = model.Head.Value.ToArray();
        using var adapted = new AdaptedModel(model, new MissConfig { R = 2, Targets = new() { ModulesToSave = ["embed_tokens"] } }, 1);
        TinyLlama.Scramble(adapted);
        Assert.Equal(head, model.Head.Value.ToArray());
        Assert.False(model.Head.Value.NeedsGrad);
    }

    [Fact]
    public void A_bf16_module_is_trained_in_fp32_and_merged_back_to_bf16()
    {
        using Llama model = TinyLlama.Create(_device);
        var narrow = new Engine.Tensor(_device, model.Head.Value.Shape, DType.BF16);
        narrow.WriteFloats(model.Head.Value.ToArray());
        float[] values = narrow.ToArray();
        model.Head.Replace(narrow);
        using var adapted = new AdaptedModel(model, new MissConfig { R = 2, Targets = new() { ModulesToSave = ["lm_head"] } }, 1);
        Assert.Equal(values, adapted.Parameters.Parameters[^1].Value.ToArray());
        Assert.Equal(DType.F32, model.Head.Value.DType);
        adapted.Merge(TinyLlama.Batch());
        Assert.Equal(DType.BF16, model.Head.Value.DType);
        Assert.Equal(values, model.Head.Value.ToArray());
    }

    [Fact]
    public void Attaching_twice_or_out_of_turn_is_refused()
    {
        using Llama model = TinyLlama.Create(_device);
        using var first = new AdaptedModel(model, new MissConfig { R = 2 }, 1);
        Assert.Equal("AD009", Assert.Throws<MarrowException>(() => new AdaptedModel(model, new MissConfig { R = 2 }, 1)).Code);
        Assert.Equal("AD009", Assert.Throws<MarrowException>(() => new Full(model)).Code);
        Assert.Equal("AD009", Assert.Throws<MarrowException>(first.Unmerge).Code);
        first.Merge(TinyLlama.Batch());
        Assert.Equal("AD009", Assert.Throws<MarrowException>(() => first.Merge(TinyLlama.Batch())).Code);
        Assert.Equal("AD009", Assert.Throws<MarrowException>(first.Attach).Code);
    }

    [Fact]
    public void A_singular_bat_can_be_merged_but_not_unmerged()
    {
        using Llama model = TinyLlama.Create(_device);
        using var adapted = new AdaptedModel(model, new BatConfig { R = 2 }, 1);
        adapted.Adapters[0].Values[0].Upload<float>([-1, 0, 0, -1]);
        Assert.Null(adapted.Merge(TinyLlama.Batch()).UnmergeError);
        Assert.Equal("AD011", Assert.Throws<MarrowException>(adapted.Unmerge).Code);
    }

    [Fact]
    public void Full_fine_tuning_trains_a_tied_head_once_and_saves_a_model()
    {
        using var folder = new TemporaryFolder();
        using Llama model = TinyLlama.Create(_device, TinyLlama.Config(tied: true));
        float[] before = TinyLlama.Logits(model, TinyLlama.Batch());
        float[] trained;
        using (var full = new Full(model))
        {
            Assert.Equal(model.Weights.Select(w => w.Name), full.Parameters.Parameters.Select(p => p.Name));
            Assert.DoesNotContain(full.Parameters.Parameters, p => p.Name == "lm_head.weight");
            Assert.Equal(before, TinyLlama.Logits(model, TinyLlama.Batch()));
            TinyLlama.Loss(model, TinyLlama.Batch(), backward: true);
            Assert.All(full.Parameters.Parameters, p => Assert.Contains(p.Value.Grad!.ToArray(), g => g != 0));
            TinyLlama.Scramble(full);
            trained = TinyLlama.Logits(model, TinyLlama.Batch());
            Assert.NotEqual(before, trained);
            full.Save(folder["model"], null);
        }
        Assert.Equal(trained, TinyLlama.Logits(model, TinyLlama.Batch()));
        using Formats.HuggingFace.ModelFolder files = Formats.HuggingFace.ModelFolder.Open(folder["model"]);
        using CausalModel again = ModelLoader.Load(_device, files);
        Assert.Equal(trained, TinyLlama.Logits(again, TinyLlama.Batch()));
    }
}
