using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Rwkv;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Gguf;

public sealed class ArchitectureTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, DType> FamiliesAndTypes
    {
        get
        {
            var data = new TheoryData<string, DType>();
            foreach (string family in TinyModels.Families)
                foreach (DType type in (DType[])[DType.F32, DType.BF16, DType.Q8_0])
                    data.Add(family, type);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(FamiliesAndTypes))]
    public void Models_of_the_Llama_family_come_back_bit_for_bit(string family, DType type)
    {
        LlamaConfig config = TinyModels.Config(family);
        using MemoryTensors official = TinyModels.Official(config, type);
        var (read, tensors, _) = TinyModels.ThroughFile(_folder["m.gguf"], official, config);
        using (tensors)
        {
            Assert.Equal((config with { TorchDType = read.TorchDType }).ToJson(), ((LlamaConfig)read).ToJson());
            Assert.Equal(type == DType.F32 || type == DType.Q8_0 ? DType.F32 : type, read.TorchDType);
            TinyModels.AssertSame(official, tensors);
        }
    }

    [Fact]
    public void Biases_are_told_by_the_tensors_that_there_are()
    {
        foreach (LlamaConfig config in (LlamaConfig[])[TinyModels.Config("llama") with { QueryKeyValueBias = true, OutputBias = true, MlpBias = true, TiedEmbeddings = true },
            TinyModels.Config("qwen3") with { QueryKeyValueBias = true, OutputBias = true }])
        {
            using MemoryTensors official = TinyModels.Official(config);
            var (read, tensors, _) = TinyModels.ThroughFile(_folder["b.gguf"], official, config);
            using (tensors)
            {
                Assert.Equal(config.ToJson(), ((LlamaConfig)read).ToJson());
                TinyModels.AssertSame(official, tensors);
            }
        }
    }

    [Fact]
    public void Biases_that_Hugging_Face_gives_another_type_are_written_as_that()
    {
        LlamaConfig config = LlamaConfig.Parse((TinyModels.Config("llama") with { QueryKeyValueBias = true }).ToJson());
        Assert.Equal(("qwen2", true, false), (config.ModelType, config.QueryKeyValueBias, config.OutputBias));
        config = LlamaConfig.Parse((TinyModels.Config("qwen2") with { QueryKeyValueBias = false }).ToJson());
        Assert.Equal(("llama", false, false), (config.ModelType, config.QueryKeyValueBias, config.OutputBias));
    }

    [Theory]
    [InlineData(4, 2, 8)]
    [InlineData(3, 3, 2)]
    [InlineData(5, 1, 6)]
    [InlineData(6, 2, 14)]
    public void Rows_of_q_and_k_stand_in_files_of_llama_as_the_formula_says(int heads, int keyHeads, int size)
    {
        LlamaConfig config = TinyModels.Config("llama", heads, keyHeads, size) with { QueryKeyValueBias = true };
        GgufArchitecture architecture = GgufArchitectures.For(config);
        using MemoryTensors official = TinyModels.Official(config, DType.Q8_0);
        using ITensorSource stored = architecture.ToGguf(official, config);
        foreach (var (ours, theirs, count) in ((string, string, int)[])[("q_proj.weight", "attn_q.weight", heads), ("k_proj.weight", "attn_k.weight", keyHeads), ("q_proj.bias", "attn_q.bias", heads), ("k_proj.bias", "attn_k.bias", keyHeads)])
        {
            string name = $"model.layers.1.self_attn.{ours}";
            byte[] before = TinyModels.Bytes(official, name), after = TinyModels.Bytes(stored, $"blk.1.{theirs}");
            int[] order = architecture.RowOrder(name, config)!;
            int row = before.Length / (count * size);
            Assert.Equal(count * size, order.Length);
            for (int h = 0; h < count; h++)
                for (int i = 0; i < size / 2; i++)
                    for (int j = 0; j < 2; j++)
                    {
                        int gguf = h * size + 2 * i + j, hugging = h * size + j * (size / 2) + i;
                        Assert.Equal(hugging, order[gguf]);
                        Assert.Equal(before.AsSpan(hugging * row, row), after.AsSpan(gguf * row, row));
                    }
        }
        Assert.Null(architecture.RowOrder("model.layers.1.self_attn.v_proj.weight", config));
        Assert.Null(GgufArchitectures.For(TinyModels.Config("qwen2")).RowOrder("model.layers.1.self_attn.q_proj.weight", TinyModels.Config("qwen2")));
        Assert.Equal(DType.Q8_0, stored.Tensors["blk.1.attn_q.weight"].DType);
    }

    [Fact]
    public void Any_range_of_any_view_reads_as_the_whole_does()
    {
        var random = new Random(5);
        foreach (var (official, config) in Models())
            using (official)
            {
                GgufArchitecture architecture = GgufArchitectures.For(config);
                using ITensorSource stored = architecture.ToGguf(official, config);
                foreach (string name in stored.Tensors.Keys.Where(n => !n.StartsWith("blk.2", StringComparison.Ordinal)))
                {
                    byte[] whole = TinyModels.Bytes(stored, name);
                    for (int round = 0; round < 6; round++)
                    {
                        int from = random.Next(whole.Length), count = random.Next(whole.Length - from + 1);
                        byte[] part = new byte[count];
                        stored.Read(name, from, part);
                        Assert.Equal(whole[from..(from + count)], part);
                    }
                    Assert.Equal("TS004", Assert.Throws<ModelFileException>(() => stored.Read(name, 1, whole)).Code);
                }
            }

        static IEnumerable<(MemoryTensors, ModelConfig)> Models()
        {
            foreach (string family in TinyModels.Families)
            {
                LlamaConfig config = TinyModels.Config(family) with { RopeScaling = family == "llama" ? new RopeScaling.Llama3(8, 1, 4, 64) : null };
                yield return (TinyModels.Official(config, DType.Q8_0), config);
            }
            foreach (int version in (int[])[6, 7])
            {
                MemoryTensors tensors = TinyModels.OfficialRwkv(version);
                yield return (tensors, RwkvConfig.Of(tensors) with { RescaleEvery = 1 });
            }
        }
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    [InlineData("gemma2")]
    public void Names_go_both_ways(string family)
    {
        LlamaConfig config = TinyModels.Config(family);
        GgufArchitecture architecture = GgufArchitectures.For(config);
        using MemoryTensors official = TinyModels.Official(config);
        foreach (string name in official.Tensors.Keys)
            Assert.Equal(name, architecture.OfficialOf(architecture.NameOf(name)!));
        Assert.Equal("blk.2.ffn_norm.weight", architecture.NameOf($"model.layers.2.{(family == "gemma2" ? "pre_feedforward" : "post_attention")}_layernorm.weight"));
        Assert.Null(architecture.NameOf("model.layers.02.mlp.up_proj.weight"));
        Assert.Null(architecture.NameOf("model.layers.2.mlp.gate.weight"));
        Assert.Null(architecture.OfficialOf("blk.0.ffn_gate_inp.weight"));
        Assert.Null(architecture.OfficialOf("rope_freqs.weight"));
        Assert.Equal(1, architecture.DivisorOf("model.layers.2.mlp.up_proj.weight", config));
    }

    [Fact]
    public void Norms_of_Gemma_are_stored_with_their_1()
    {
        LlamaConfig config = TinyModels.Config("gemma3_text");
        using MemoryTensors official = TinyModels.Official(config);
        using ITensorSource stored = GgufArchitectures.For(config).ToGguf(official, config);
        foreach (var (name, gguf) in ((string, string)[])[("model.norm.weight", "output_norm.weight"), ("model.layers.0.post_feedforward_layernorm.weight", "blk.0.post_ffw_norm.weight"),
            ("model.layers.0.post_attention_layernorm.weight", "blk.0.post_attention_norm.weight"), ("model.layers.1.self_attn.q_norm.weight", "blk.1.attn_q_norm.weight")])
            Assert.Equal(official.ReadFloats(name).Select(v => v + 1), stored.ReadFloats(gguf));
    }

    [Theory]
    [InlineData("llama_a/model/model.safetensors", "llama_a/model/config.json")]
    [InlineData("llama_family/llama3-rope.safetensors", null)]
    [InlineData("llama_family/qwen2-yarn.safetensors", null)]
    [InlineData("llama_family/qwen3.safetensors", null)]
    public void Fixtures_come_back_bit_for_bit(string fixture, string? configFile)
    {
        if (!Fixtures.Find(output, fixture, out string path))
            return;
        LlamaConfig config = configFile is null ? FixtureConfig(Path.ChangeExtension(path, ".json")) : LlamaConfig.Read(Repository.PathOf("..", "shared", "fixtures", configFile));
        using SafetensorsFile official = SafetensorsFile.Open(path);
        var (read, tensors, _) = TinyModels.ThroughFile(_folder["f.gguf"], official, config);
        using (tensors)
        {
            TinyModels.AssertSame(official, tensors);
            Assert.Equal((config with { TorchDType = read.TorchDType, BosId = null, EosIds = [], PadId = null }).ToJson(), ((LlamaConfig)read).ToJson());
        }
    }

    // The head's channels are divided by another number there, which no reader of GGUF would know.
    [Fact]
    public void A_scale_of_Gemma_that_GGUF_has_no_key_for_is_refused()
    {
        if (!Fixtures.Find(output, "llama_family/gemma2.json", out string path))
            return;
        LlamaConfig config = FixtureConfig(path);
        var error = Assert.Throws<ModelFileException>(() => GgufArchitectures.For(config).Describe(config, new GgufMetadata("g.gguf")));
        Assert.Equal("GA006", error.Code);
        Assert.Contains("query_pre_attn_scalar", error.Message, StringComparison.Ordinal);
        using SafetensorsFile official = SafetensorsFile.Open(Path.ChangeExtension(path, ".safetensors"));
        LlamaConfig usual = config with { QueryPreAttentionScalar = config.HeadDim };
        var (read, tensors, _) = TinyModels.ThroughFile(_folder["g.gguf"], official, usual);
        using (tensors)
        {
            Assert.Equal((usual with { TorchDType = DType.F32 }).ToJson(), ((LlamaConfig)read).ToJson());
            foreach (TensorInfo info in official.Tensors.Values)
                foreach (var (expected, actual) in official.ReadFloats(info.Name).Zip(tensors.ReadFloats(info.Name)))
                    Assert.Equal(expected, actual, info.Name.Contains("norm", StringComparison.Ordinal) ? 2e-7f : 0);
        }
    }

    private static LlamaConfig FixtureConfig(string json)
    {
        using var document = System.Text.Json.JsonDocument.Parse(File.ReadAllText(json));
        return LlamaConfig.Parse(document.RootElement.GetProperty("config").GetRawText());
    }
}
