using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Rwkv;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Gguf;

public sealed class RwkvArchitectureTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(6, DType.F32)]
    [InlineData(6, DType.Q8_0)]
    [InlineData(7, DType.BF16)]
    [InlineData(7, DType.Q8_0)]
    public void Models_come_back_bit_for_bit(int version, DType type)
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(version, type);
        RwkvConfig config = RwkvConfig.Of(official) with { NormEps = 2e-5, TorchDType = type.IsFloat() ? type : null };
        var (read, tensors, _) = TinyModels.ThroughFile(_folder["m.gguf"], official, config);
        using (tensors)
        {
            Assert.Equal(config with { EosIds = read.EosIds }, read);
            Assert.Equal(config.EosIds, read.EosIds);
            TinyModels.AssertSame(official, tensors);
        }
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void Models_of_one_head_and_low_rank_paths_one_wide_come_back(int version)
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(version, heads: 1, layers: 2, ranks: 1);
        RwkvConfig config = RwkvConfig.Of(official);
        var (read, tensors, file) = TinyModels.ThroughFile(_folder["o.gguf"], official, config);
        using (tensors)
        {
            Assert.Equal([32], file.Tensors[version == 7 ? "blk.1.time_mix_w1.weight" : "blk.1.time_mix_decay_w1.weight"].Shape);
            Assert.Equal((1, 1), (((RwkvConfig)read).HeadCount, ((RwkvConfig)read).DecayRank));
            TinyModels.AssertSame(official, tensors);
        }
    }

    [Theory]
    [InlineData("rwkv7/model.safetensors")]
    [InlineData("rwkv_tiny/tiny-rwkv7.safetensors")]
    [InlineData("rwkv_tiny/rwkv7-random.safetensors")]
    [InlineData("rwkv_tiny/rwkv6-random.safetensors")]
    public void Fixtures_come_back_bit_for_bit(string fixture)
    {
        if (!Fixtures.Find(output, fixture, out string path))
            return;
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using MemoryTensors official = MemoryTensors.Copy(file, n => n.Contains("time_state", StringComparison.Ordinal));
        RwkvConfig config = RwkvConfig.Of(official);
        var (read, tensors, _) = TinyModels.ThroughFile(_folder["f.gguf"], official, config);
        using (tensors)
        {
            Assert.Equal(config with { EosIds = read.EosIds, TorchDType = read.TorchDType }, read);
            TinyModels.AssertSame(official, tensors);
        }
    }

    [Fact]
    public void Tensors_of_rwkv7_stand_as_llama_cpp_asks_for_them()
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(7).Add("blocks.0.att.v0", 1, 1, 32).Add("blocks.0.att.v1", 32, 3).Add("blocks.0.att.v2", 3, 32);
        RwkvConfig config = RwkvConfig.Of(official);
        using ITensorSource stored = GgufArchitectures.For(config).ToGguf(official, config);
        AssertShapes(stored, "token_embd_norm.bias [32]", "blk.1.attn_norm_2.weight [32]", "blk.1.time_mix_ln.bias [32]", "blk.0.time_mix_lerp_fused.weight [6,1,1,32]", "blk.1.time_mix_w0.weight [32]",
            "blk.1.time_mix_w1.weight [4,32]", "blk.1.time_mix_w2.weight [32,4]", "blk.1.time_mix_v1.weight [3,32]", "blk.0.time_mix_v0.weight [32]", "blk.0.time_mix_v1.weight [6,32]", "blk.0.time_mix_v2.weight [32,6]",
            "blk.2.time_mix_g2.weight [32,5]", "blk.2.time_mix_r_k.weight [32]", "blk.2.time_mix_k_a.weight [32]", "blk.2.channel_mix_lerp_k.weight [32]", "blk.2.channel_mix_key.weight [64,32]", "blk.2.channel_mix_value.weight [32,64]",
            "output_norm.weight [32]", "output.weight [7,32]", "token_embd.weight [7,32]");
        float[] fused = stored.ReadFloats("blk.1.time_mix_lerp_fused.weight");
        for (int part = 0; part < 6; part++)
            Assert.Equal(official.ReadFloats($"blocks.1.att.x_{"rwkvag"[part]}"), fused.AsSpan(part * 32, 32).ToArray());
        AssertTransposed(official.ReadFloats("blocks.2.att.g1"), stored.ReadFloats("blk.2.time_mix_g1.weight"), 32, 5);
        // Block 0 computes with none of its own; readers want something there.
        Assert.Equal(stored.ReadFloats("blk.0.time_mix_a2.weight"), stored.ReadFloats("blk.0.time_mix_v2.weight"));
        GgufArchitecture architecture = GgufArchitectures.For(config);
        Assert.Null(architecture.OfficialOf("blk.0.time_mix_v1.weight"));
        Assert.Equal("blocks.1.att.v1", architecture.OfficialOf("blk.1.time_mix_v1.weight"));
        Assert.Equal("blk.1.time_mix_lerp_fused.weight", architecture.NameOf("blocks.1.att.x_a"));
        Assert.Equal("token_embd_norm.weight", architecture.NameOf("blocks.0.ln0.weight"));
        Assert.Equal("blocks.0.ln0.weight", architecture.OfficialOf("token_embd_norm.weight"));
    }

    [Fact]
    public void Tensors_of_rwkv6_stand_as_llama_cpp_asks_for_them()
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(6);
        RwkvConfig config = RwkvConfig.Of(official);
        using ITensorSource stored = GgufArchitectures.For(config).ToGguf(official, config);
        AssertShapes(stored, "blk.1.time_mix_lerp_x.weight [32]", "blk.1.time_mix_lerp_fused.weight [5,1,1,32]", "blk.1.time_mix_w1.weight [15,32]", "blk.1.time_mix_w2.weight [5,32,3]", "blk.1.time_mix_decay.weight [32]",
            "blk.1.time_mix_decay_w1.weight [6,32]", "blk.1.time_mix_decay_w2.weight [32,6]", "blk.1.time_mix_first.weight [4,8]", "blk.1.time_mix_gate.weight [32,32]", "blk.1.channel_mix_lerp_r.weight [32]", "blk.1.channel_mix_receptance.weight [32,32]");
        float[] fused = stored.ReadFloats("blk.1.time_mix_lerp_fused.weight"), each = stored.ReadFloats("blk.1.time_mix_w2.weight");
        for (int part = 0; part < 5; part++)
        {
            Assert.Equal(official.ReadFloats($"blocks.1.att.time_maa_{"wkvrg"[part]}"), fused.AsSpan(part * 32, 32).ToArray());
            AssertTransposed(official.ReadFloats("blocks.1.att.time_maa_w2").AsSpan(part * 96, 96).ToArray(), each.AsSpan(part * 96, 96).ToArray(), 3, 32);
        }
        // Older files have the mixes apart.
        using MemoryTensors older = MemoryTensors.Copy(stored, n => n.EndsWith("lerp_fused.weight", StringComparison.Ordinal));
        for (int block = 0; block < 3; block++)
            foreach (char c in "wkvrg")
                older.Add($"blk.{block}.time_mix_lerp_{c}.weight", DType.F32, [32], TinyModels.Bytes(official, $"blocks.{block}.att.time_maa_{c}"));
        TinyModels.AssertSame(official, GgufArchitectures.For(config).Official(older, config));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_division_of_rwkv6_is_undone(int every)
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(6);
        RwkvConfig config = RwkvConfig.Of(official) with { RescaleEvery = every };
        GgufArchitecture architecture = GgufArchitectures.For(config);
        var (read, tensors, file) = TinyModels.ThroughFile(_folder["r.gguf"], official, config);
        using (tensors)
        {
            Assert.Equal(every, ((RwkvConfig)read).RescaleEvery);
            TinyModels.AssertSame(official, tensors);
            for (int block = 0; block < 3; block++)
                foreach (var (name, gguf) in ((string, string)[])[("att.output", "time_mix_output"), ("ffn.value", "channel_mix_value"), ("att.value", "time_mix_value")])
                {
                    float divisor = name == "att.value" ? 1 : 1 << block / every;
                    Assert.Equal(divisor, architecture.DivisorOf($"blocks.{block}.{name}.weight", read));
                    Assert.Equal(official.ReadFloats($"blocks.{block}.{name}.weight").Select(v => v / divisor), file.ReadFloats($"blk.{block}.{gguf}.weight"));
                }
        }
    }

    [Fact]
    public void Blocks_that_were_divided_keep_their_type()
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(6, DType.Q8_0);
        RwkvConfig config = RwkvConfig.Of(official);
        GgufArchitecture architecture = GgufArchitectures.For(config);
        ITensorSource shown = architecture.Official(architecture.ToGguf(official, config), config with { RescaleEvery = 1 });
        foreach (string name in (string[])["blocks.2.att.output.weight", "blocks.2.ffn.value.weight"])
        {
            Assert.Equal(DType.Q8_0, shown.Tensors[name].DType);
            Assert.Equal(official.ReadFloats(name).Select(v => v * 4), shown.ReadFloats(name));
        }
        TinyModels.AssertSame(official, architecture.Official(architecture.ToGguf(official, config with { RescaleEvery = 1 }), config with { RescaleEvery = 1 }));
        // A scale beyond fp16 is told, not rounded.
        byte[] blocks = TinyModels.Bytes(official, "blocks.2.att.output.weight");
        (blocks[34], blocks[35]) = (0xFF, 0x7B);
        official.Remove("blocks.2.att.output.weight").Add("blocks.2.att.output.weight", DType.Q8_0, [32, 32], blocks);
        shown = architecture.Official(architecture.ToGguf(official, config), config with { RescaleEvery = 1 });
        ArchitectureConfigTests.Refused("TV003", "'blk.2.time_mix_output.weight'", () => TinyModels.Bytes(shown, "blocks.2.att.output.weight"));
    }

    [Fact]
    public void What_GGUF_has_no_place_for_is_refused_by_name()
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(7);
        RwkvConfig config = RwkvConfig.Of(official);
        GgufArchitecture architecture = GgufArchitectures.For(config);
        official.Add("blocks.1.att.time_state", 4, 8, 8);
        ArchitectureConfigTests.Refused("GA002", "'blocks.1.att.time_state'", () => architecture.ToGguf(official, config));
        official.Remove("blocks.1.att.time_state").Remove("blocks.2.att.x_r");
        ArchitectureConfigTests.Refused("TS001", "blocks.2.att.x_r", () => architecture.ToGguf(official, config));
        Assert.Empty(architecture.Losses(config));
        Assert.NotEmpty(architecture.Losses(config with { HeadNormEps = 1e-4 }));
        var values = new GgufMetadata("m.gguf");
        architecture.Describe(config, values);
        using MemoryTensors whole = TinyModels.OfficialRwkv(7);
        values.Set("rwkv7.wkv.head_size", 5);
        ArchitectureConfigTests.Refused("GA005", "rwkv7.wkv.head_size", () => architecture.ReadConfig(architecture.ToGguf(whole, config), values));
        values.Set("rwkv7.wkv.head_size", 8);
        values.Set("rwkv7.block_count", 4);
        ArchitectureConfigTests.Refused("GA005", "rwkv7.block_count", () => architecture.ReadConfig(architecture.ToGguf(whole, config), values));
    }

    [Fact]
    public void The_metadata_are_those_that_llama_cpp_requires()
    {
        using MemoryTensors seven = TinyModels.OfficialRwkv(7), six = TinyModels.OfficialRwkv(6);
        Assert.Equal(["rwkv7.context_length 1048576", "rwkv7.embedding_length 32", "rwkv7.block_count 3", "rwkv7.feed_forward_length 64", "rwkv7.attention.head_count 0", "rwkv7.wkv.head_size 8", "rwkv7.token_shift_count 2",
            "rwkv7.vocab_size 7", "rwkv7.attention.decay_lora_rank 4", "rwkv7.attention.iclr_lora_rank 6", "rwkv7.attention.value_residual_mix_lora_rank 3", "rwkv7.attention.gate_lora_rank 5"], Sizes(seven));
        Assert.Equal(["rwkv6.rescale_every_n_layers 0", "rwkv6.time_mix_extra_dim 3", "rwkv6.time_decay_extra_dim 6"], Sizes(six).TakeLast(3));

        static IEnumerable<string> Sizes(MemoryTensors tensors)
        {
            RwkvConfig config = RwkvConfig.Of(tensors);
            var values = new GgufMetadata("m.gguf");
            GgufArchitectures.For(config).Describe(config, values);
            Assert.Equal(1e-5f, (float)values.Number($"{config.ModelType}.attention.layer_norm_epsilon")!.Value);
            return values.Values.Where(v => v.Value.Type == GgufType.U32).Select(v => $"{v.Key} {v.Value.Content}");
        }
    }

    private static void AssertShapes(ITensorSource source, params string[] expected)
    {
        string[] there = [.. source.Tensors.Values.Select(t => $"{t.Name} {t.ShapeText}")];
        Assert.All(expected, line => Assert.Contains(line, there));
    }

    private static void AssertTransposed(float[] matrix, float[] transposed, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
                Assert.Equal(matrix[r * columns + c], transposed[c * rows + r]);
    }
}
