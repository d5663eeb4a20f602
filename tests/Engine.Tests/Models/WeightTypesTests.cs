using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Marrow.Formats.Rwkv;

namespace Marrow.Engine.Tests.Models;

public sealed class WeightTypesTests : IDisposable
{
    private readonly CpuDevice _device = new(2);
    private readonly TemporaryFolder _folder = new();

    private static LlamaConfig Config => new()
    {
        ModelType = "llama", VocabularySize = 40, HiddenSize = 64, IntermediateSize = 80, LayerCount = 1, HeadCount = 2, KeyValueHeadCount = 1, HeadDim = 32, MaxPositions = 64,
    };

    public void Dispose()
    {
        _folder.Dispose();
        _device.Dispose();
    }

    [Theory]
    // What a file has is kept; an fp16 or fp32 matrix is fp32.
    [InlineData("lm_head.weight", DType.BF16, null, DType.BF16)]
    [InlineData("lm_head.weight", DType.F16, null, DType.F32)]
    [InlineData("lm_head.weight", DType.Q8_0, null, DType.Q8_0)]
    [InlineData("model.layers.0.self_attn.q_proj.weight", DType.Q8_0, null, DType.Q8_0)]
    [InlineData("model.layers.0.self_attn.q_proj.weight", DType.Q8_0, DType.F32, DType.F32)]
    [InlineData("model.layers.0.self_attn.q_proj.weight", DType.Q8_0, DType.BF16, DType.BF16)]
    // Linear layers are quantised; with ggml's types embedding and head too.
    [InlineData("model.layers.0.self_attn.q_proj.weight", DType.F32, DType.NF4, DType.NF4)]
    [InlineData("model.layers.0.self_attn.q_proj.weight", DType.F16, DType.Q8_0, DType.Q8_0)]
    [InlineData("model.layers.0.self_attn.q_proj.weight", DType.BF16, DType.Q4_K, DType.Q8_0)]
    [InlineData("model.embed_tokens.weight", DType.BF16, DType.NF4, DType.BF16)]
    [InlineData("model.embed_tokens.weight", DType.BF16, DType.Q4_K, DType.Q8_0)]
    [InlineData("lm_head.weight", DType.F32, DType.Q8_0, DType.Q8_0)]
    // Rows of 80 values are not whole blocks of 32 or 64.
    [InlineData("model.layers.0.mlp.down_proj.weight", DType.BF16, DType.NF4, DType.BF16)]
    [InlineData("model.layers.0.mlp.down_proj.weight", DType.F16, DType.Q8_0, DType.F32)]
    // What is quantised already is not quantised to something finer.
    [InlineData("lm_head.weight", DType.Q4_0, DType.Q8_0, DType.Q4_0)]
    [InlineData("model.norm.weight", DType.BF16, DType.NF4, DType.F32)]
    // What is not decoded here is left to the reader, which refuses it.
    [InlineData("lm_head.weight", DType.IQ2_XXS, null, DType.F32)]
    public void Each_weight_has_its_type(string name, DType stored, DType? wanted, DType expected)
    {
        Shape shape = name.EndsWith("norm.weight", StringComparison.Ordinal) ? new Shape(64) : name.Contains("down", StringComparison.Ordinal) ? new Shape(64, 80)
            : name.Contains("q_proj", StringComparison.Ordinal) ? new Shape(64, 64) : new Shape(40, 64);
        Assert.Equal(expected, WeightTypes.InMemory(Config, name, shape, stored, wanted));
    }

    [Theory]
    [InlineData("blocks.0.att.key.weight", DType.Q8_0)]
    [InlineData("blocks.0.ffn.value.weight", DType.Q8_0)]
    [InlineData("emb.weight", DType.Q8_0)]
    [InlineData("blocks.0.att.w1", DType.BF16)]
    public void Low_ranks_of_RWKV_are_not_quantised(string name, DType expected)
    {
        RwkvConfig config = TinyRwkv.Config(7, headSize: 16, layers: 2) with { VocabularySize = 96 };
        Assert.Equal(expected, WeightTypes.InMemory(config, name, new Shape(name == "emb.weight" ? 96 : 64, 32), DType.BF16, DType.Q8_0));
        using CausalModel model = ModelLoader.Create(_device, config with { HiddenSize = 64, IntermediateSize = 128, HeadSize = 16 }, 1, DType.Q8_0);
        Assert.All(model.Linears, l => Assert.Equal(DType.Q8_0, l.Weight.Value.DType));
        Assert.Empty(WeightTypes.Remarks(model, DType.Q8_0, null));
    }

    [Fact]
    public void Stored_blocks_are_kept_byte_for_byte_and_read_as_other_types()
    {
        using CausalModel model = ModelLoader.Create(_device, Config, 3);
        var stored = new Dictionary<string, byte[]>();
        GgufWriter.Write(_folder["model.gguf"], new GgufMetadata("model.gguf"), [.. model.Weights.Select(w =>
        {
            bool fits = w.Value.Shape is { Rank: 2, Last: 64 };
            if (!fits)
                return TensorFiles.ToWrite(w.Name, w.Value, 0, w.Value.Shape);
            var bytes = new byte[DType.Q8_0.Bytes(w.Value.Shape.Count)];
            BlockFormats.Of(DType.Q8_0).Encode!(w.Value.ToArray(), bytes);
            stored.Add(w.Name, bytes);
            return new TensorToWrite(w.Name, DType.Q8_0, [w.Value.Shape[0], w.Value.Shape[1]], stream => stream.Write(bytes));
        })]);
        using GgufFile file = GgufFile.Open(_folder["model.gguf"]);
        using CausalModel kept = ModelLoader.Load(_device, Config, file), plain = ModelLoader.Load(_device, Config, file, DType.F32), rounded = ModelLoader.Load(_device, Config, file, DType.BF16);
        Assert.Equal(8, stored.Count);
        foreach (Layers.Weight weight in kept.Weights)
        {
            Tensor other = plain.Weights.Single(w => w.Name == weight.Name).Value, narrow = rounded.Weights.Single(w => w.Name == weight.Name).Value;
            Assert.Equal(stored.ContainsKey(weight.Name) ? DType.Q8_0 : DType.F32, weight.Value.DType);
            Assert.Equal(DType.F32, other.DType);
            Assert.Equal(other.ToArray(), weight.Value.ToArray());
            Assert.Equal(other.ToArray().Select(v => narrow.DType == DType.BF16 ? (float)(BFloat16)v : v), narrow.ToArray());
            if (!stored.TryGetValue(weight.Name, out byte[]? bytes))
                continue;
            var found = new byte[bytes.Length];
            weight.Value.Download<byte>(found);
            Assert.Equal(bytes, found);
        }
        Assert.True(kept.WeightBytes < 0.5 * plain.WeightBytes);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    [InlineData(1e6f)]
    public void Values_that_blocks_cannot_hold_are_refused(float value)
    {
        using CausalModel model = ModelLoader.Create(_device, Config, 3);
        Tensor up = model.Weights.Single(w => w.Name == "model.layers.0.mlp.up_proj.weight").Value;
        up.WriteFloats([value], 1000);
        GgufWriter.Write(_folder["model.gguf"], new GgufMetadata("model.gguf"), [.. model.Weights.Select(w => TensorFiles.ToWrite(w.Name, w.Value, 0, w.Value.Shape))]);
        using GgufFile file = GgufFile.Open(_folder["model.gguf"]);
        var error = Assert.Throws<ModelFileException>(() => ModelLoader.Load(_device, Config, file, DType.Q8_0));
        Assert.Equal("MD003", error.Code);
        Assert.Contains("up_proj", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_cannot_be_loaded_leaves_no_weights_in_memory()
    {
        using (CausalModel model = ModelLoader.Create(_device, Config, 3))
        {
            GgufWriter.Write(_folder["model.gguf"], new GgufMetadata("model.gguf"), [.. model.Weights.Where(w => !w.Name.Contains("up_proj", StringComparison.Ordinal)).Select(w => TensorFiles.ToWrite(w.Name, w.Value, 0, w.Value.Shape))]);
        }
        using GgufFile file = GgufFile.Open(_folder["model.gguf"]);
        Assert.Contains("up_proj", Assert.Throws<ModelFileException>(() => ModelLoader.Load(_device, Config, file, DType.Q8_0)).Message, StringComparison.Ordinal);
        long left = _device.LiveBytes;
        using var angles = new Layers.RopeTable(_device, Config);
        Assert.Equal(_device.LiveBytes - left, left);
    }

    [Fact]
    public void The_estimate_counts_blocks()
    {
        LlamaConfig config = Config with { IntermediateSize = 96 };
        using CausalModel model = ModelLoader.Create(_device, config, 3, DType.Q8_0);
        Assert.Equal(model.WeightBytes, MemoryEstimate.For(config, DType.Q8_0, 0, 1, false).Weights);
        // The widest are the MLP's, [96,64].
        Assert.Equal(2 * 96 * 64, MemoryEstimate.DecodedCopy(model));
        Assert.True(model.WeightBytes < 0.3 * MemoryEstimate.For(config, DType.F32, 0, 1, false).Weights);
    }
}
