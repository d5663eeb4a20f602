using System.Text.Json;
using System.Text.Json.Nodes;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.HuggingFace;

public sealed class LlamaConfigTests(ITestOutputHelper output)
{
    private const string Sizes = """
        {"vocab_size":48,"hidden_size":32,"intermediate_size":40,"num_hidden_layers":3,"num_attention_heads":4,"model_type":"llama"}
        """;

    [Fact]
    public void DefaultsAreResolved()
    {
        LlamaConfig config = LlamaConfig.Parse(Sizes);
        Assert.Equal((48, 32, 40, 3, 4, 4, 8), (config.VocabularySize, config.HiddenSize, config.IntermediateSize,
            config.LayerCount, config.HeadCount, config.KeyValueHeadCount, config.HeadDim));
        Assert.Equal((1e-6, 10_000.0, 2048), (config.RmsNormEps, config.RopeTheta, config.MaxPositions));
        Assert.Null(config.RopeScaling);
        Assert.Null(config.TorchDType);
        Assert.Empty(config.EosIds);
        Assert.Null(config.Window(2));
        Assert.Equal(Sizes, config.RawJson);
    }

    [Theory]
    [InlineData("hidden_size", "0", "HF003")]
    [InlineData("hidden_size", "null", "HF003")]
    [InlineData("hidden_size", "1e12", "HF003")]
    [InlineData("hidden_size", "-32", "HF003")]
    [InlineData("vocab_size", "99999999999999999999", "HF006")]
    [InlineData("num_attention_heads", "0", "HF003")]
    [InlineData("num_attention_heads", "5", "HF004")]
    [InlineData("num_attention_heads", "32", "HF004")]
    [InlineData("num_key_value_heads", "3", "HF004")]
    [InlineData("head_dim", "7", "HF004")]
    [InlineData("num_hidden_layers", "1000000000", "HF005")]
    [InlineData("num_hidden_layers", "0", "HF005")]
    [InlineData("num_hidden_layers", "null", "HF005")]
    [InlineData("hidden_size", "\"32\"", "HF006")]
    [InlineData("hidden_size", "32.5", "HF006")]
    [InlineData("tie_word_embeddings", "1", "HF006")]
    [InlineData("rms_norm_eps", "\"1e-5\"", "HF006")]
    [InlineData("rms_norm_eps", "1e999", "HF006")]
    [InlineData("rms_norm_eps", "0", "HF003")]
    [InlineData("torch_dtype", "\"int8\"", "HF006")]
    [InlineData("eos_token_id", "[1,\"2\"]", "HF006")]
    [InlineData("eos_token_id", "4294967296", "HF003")]
    [InlineData("quantization_config", "{\"quant_method\":\"gptq\"}", "HF007")]
    [InlineData("model_type", "\"gemma3\"", "HF008")]
    [InlineData("model_type", "\"gemma\"", "HF008")]
    [InlineData("model_type", "null", "HF008")]
    [InlineData("rope_theta", "-1", "HF009")]
    [InlineData("partial_rotary_factor", "0.5", "HF009")]
    [InlineData("rope_scaling", "{\"type\":\"longrope\",\"factor\":2}", "HF009")]
    [InlineData("rope_scaling", "{\"factor\":2}", "HF009")]
    [InlineData("rope_scaling", "{\"type\":\"linear\"}", "HF009")]
    [InlineData("rope_scaling", "{\"type\":\"linear\",\"factor\":0}", "HF009")]
    [InlineData("rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4,\"original_max_position_embeddings\":64}", "HF009")]
    [InlineData("rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4}", "HF009")]
    [InlineData("rope_parameters", "{\"full_attention\":{\"rope_type\":\"default\"}}", "HF009")]
    [InlineData("rope_scaling", "[]", "HF006")]
    [InlineData("hidden_act", "\"gelu\"", "HF010")]
    [InlineData("layer_types", "[\"full_attention\"]", "HF011")]
    [InlineData("layer_types", "[\"full_attention\",\"linear_attention\",\"full_attention\"]", "HF011")]
    [InlineData("layer_types", "[\"full_attention\",\"sliding_attention\",\"full_attention\"]", "HF011")]
    public void RefusesWithTheKeyInTheMessage(string key, string value, string code)
    {
        ModelFileException error = Assert.Throws<ModelFileException>(() => With((key, value)));
        Assert.True(error.Code == code, error.Message);
        Assert.StartsWith("config.json: '", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{\"\\uD800\":1}")]
    [InlineData("{\"torch_dtype\":\"\\uD800\"}")]
    [InlineData("{\"anything\":[{\"a\":\"\\uDC00\"}]}")]
    [InlineData("{\"model_type\":\"llama\",\"rope_parameters\":{\"\\uD800\":{}}}")]
    public void RefusesWhatIsNoObject(string json) =>
        Assert.Equal("HF002", Assert.Throws<ModelFileException>(() => LlamaConfig.Parse(json)).Code);

    [Fact]
    public void IntegersMayBeWrittenAsReals()
    {
        LlamaConfig config = With(("hidden_size", "32.0"), ("eos_token_id", "[2.0,3]"), ("pad_token_id", "-1"), ("bos_token_id", "1"));
        Assert.Equal(32, config.HiddenSize);
        Assert.Equal([2, 3], config.EosIds);
        Assert.Equal(1, config.BosId);
        Assert.Null(config.PadId);
    }

    [Fact]
    public void BiasesAndNormsFollowTheModelType()
    {
        Assert.Equal((true, true, true, false), Extras(With(("attention_bias", "true"), ("mlp_bias", "true"))));
        Assert.Equal((false, false, false, false), Extras(With(("model_type", "\"mistral\""), ("attention_bias", "true"), ("mlp_bias", "true"))));
        Assert.Equal((true, false, false, false), Extras(With(("model_type", "\"qwen2\""))));
        Assert.Equal((false, false, false, true), Extras(With(("model_type", "\"qwen3\""))));
        Assert.Equal((true, true, false, true), Extras(With(("model_type", "\"qwen3\""), ("attention_bias", "true"))));
        Assert.Equal(128, With(("model_type", "\"qwen3\"")).HeadDim);
        Assert.Equal(8, With(("model_type", "\"qwen3\""), ("head_dim", "null")).HeadDim);

        static (bool, bool, bool, bool) Extras(LlamaConfig c) => (c.QueryKeyValueBias, c.OutputBias, c.MlpBias, c.QueryKeyNorm);
    }

    [Theory]
    [InlineData("llama", "{\"sliding_window\":4}", "- - -")]
    [InlineData("mistral", "{\"sliding_window\":4}", "4 4 4")]
    [InlineData("mistral", "{\"sliding_window\":null}", "- - -")]
    [InlineData("mistral", "{}", "4096 4096 4096")]
    [InlineData("qwen2", "{\"sliding_window\":4,\"use_sliding_window\":false,\"max_window_layers\":1}", "- - -")]
    [InlineData("qwen2", "{\"sliding_window\":4,\"max_window_layers\":1}", "- - -")]
    [InlineData("qwen2", "{\"sliding_window\":4,\"use_sliding_window\":true,\"max_window_layers\":1}", "- 4 4")]
    [InlineData("qwen2", "{\"sliding_window\":4,\"use_sliding_window\":true}", "- - -")]
    [InlineData("qwen3", "{\"use_sliding_window\":true,\"max_window_layers\":0}", "4096 4096 4096")]
    [InlineData("qwen3", "{\"sliding_window\":4,\"use_sliding_window\":true,\"max_window_layers\":1,\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_attention\"]}", "4 - 4")]
    [InlineData("qwen3", "{\"sliding_window\":4,\"layer_types\":[\"sliding_attention\",\"full_attention\",\"full_attention\"]}", "HF011")]
    [InlineData("gemma2", "{}", "4096 - 4096")]
    [InlineData("gemma2", "{\"sliding_window\":7,\"layer_types\":[\"full_attention\",\"sliding_attention\",\"full_attention\"]}", "- 7 -")]
    [InlineData("gemma2", "{\"sliding_window\":null}", "HF011")]
    [InlineData("gemma3_text", "{\"sliding_window\":512,\"sliding_window_pattern\":3}", "512 512 -")]
    [InlineData("gemma3_text", "{\"sliding_window\":512,\"_sliding_window_pattern\":2}", "512 - 512")]
    [InlineData("gemma3_text", "{}", "4096 4096 4096")]
    public void WindowsAreResolvedPerLayer(string type, string extra, string expected)
    {
        JsonObject keys = JsonNode.Parse(extra)!.AsObject();
        (string, string)[] changes = [("model_type", $"\"{type}\""), .. keys.Select(k => (k.Key, k.Value?.ToJsonString() ?? "null"))];
        if (expected == "HF011")
        {
            Assert.Equal(expected, Assert.Throws<ModelFileException>(() => With(changes)).Code);
            return;
        }
        LlamaConfig config = With(changes);
        string Shown(LlamaConfig c) => string.Join(' ', Enumerable.Range(0, 3).Select(i => c.Window(i)?.ToString() ?? "-"));
        Assert.Equal(expected, Shown(config));
        Assert.Equal(expected, Shown(LlamaConfig.Parse(config.ToJson())));
    }

    public static TheoryData<string, RopeScaling?> Scalings() => new()
    {
        { """{"rope_type":"default"}""", null },
        { """{"type":"linear","factor":4}""", new RopeScaling.Linear(4) },
        { """{"type":"dynamic","factor":2.5}""", new RopeScaling.Dynamic(2.5, 2048) },
        { """{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192}""", new RopeScaling.Llama3(8, 1, 4, 8192) },
        { """{"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":32768}""", new RopeScaling.Yarn(4, 32768, 32, 1, 0.1 * Math.Log(4) + 1, true) },
        { """{"rope_type":"yarn","factor":4.0,"attention_factor":1.5,"beta_fast":16,"beta_slow":2,"truncate":false}""", new RopeScaling.Yarn(4, 2048, 16, 2, 1.5, false) },
        { """{"rope_type":"yarn","original_max_position_embeddings":512}""", new RopeScaling.Yarn(4, 512, 32, 1, 0.1 * Math.Log(4) + 1, true) },
        { """{"rope_type":"yarn","factor":40,"mscale":1.0,"mscale_all_dim":1.0}""", new RopeScaling.Yarn(40, 2048, 32, 1, 1, true) },
        { """{"rope_type":"yarn","factor":40,"mscale":0.707,"mscale_all_dim":1.0}""", new RopeScaling.Yarn(40, 2048, 32, 1, (0.0707 * Math.Log(40) + 1) / (0.1 * Math.Log(40) + 1), true) },
        { """{"rope_type":"yarn","factor":0.5}""", new RopeScaling.Yarn(0.5, 2048, 32, 1, 1, true) },
    };

    [Theory]
    [MemberData(nameof(Scalings))]
    public void ScalingsAreReadInBothSpellingsAndWritten(string json, RopeScaling? expected)
    {
        LlamaConfig older = With(("rope_scaling", json), ("rope_theta", "500000.0"));
        LlamaConfig newer = With(("rope_parameters", json.Insert(1, "\"rope_theta\":500000,")));
        foreach (LlamaConfig config in new[] { older, newer, With(("rope_parameters", json), ("rope_scaling", json), ("rope_theta", "5e5")), LlamaConfig.Parse(older.ToJson()) })
        {
            Assert.Equal(500_000, config.RopeTheta);
            if (expected is RopeScaling.Yarn yarn)
            {
                RopeScaling.Yarn actual = Assert.IsType<RopeScaling.Yarn>(config.RopeScaling);
                Assert.Equal(yarn.AttentionFactor, actual.AttentionFactor, 1e-14);
                Assert.Equal(yarn, actual with { AttentionFactor = yarn.AttentionFactor });
            }
            else
            {
                Assert.Equal(expected, config.RopeScaling);
            }
        }
    }

    [Fact]
    public void ContradictoryRopeKeysAreRefused()
    {
        Assert.Equal("HF009", Assert.Throws<ModelFileException>(() => With(
            ("rope_scaling", """{"type":"linear","factor":4}"""), ("rope_parameters", """{"rope_type":"linear","factor":2}"""))).Code);
        Assert.Equal("HF009", Assert.Throws<ModelFileException>(() => With(
            ("rope_theta", "10000"), ("rope_parameters", """{"rope_type":"default","rope_theta":500000}"""))).Code);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("mistral")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("gemma2")]
    [InlineData("gemma3_text")]
    public void WrittenConfigsReadTheSame(string type)
    {
        LlamaConfig config = With(("model_type", $"\"{type}\""), ("num_key_value_heads", "2"), ("head_dim", "16"), ("attention_bias", "true"),
            ("mlp_bias", "true"), ("tie_word_embeddings", "true"), ("rms_norm_eps", "1e-05"), ("eos_token_id", "[2,3]"), ("bos_token_id", "1"),
            ("pad_token_id", "0"), ("torch_dtype", "\"bfloat16\""), ("max_position_embeddings", "64"), ("rope_theta", "1000000"));
        string json = config.ToJson();
        LlamaConfig again = LlamaConfig.Parse(json);
        Assert.Equal(json, again.ToJson());
        Assert.Equal(config with { RawJson = null, EosIds = [], Windows = [] }, again with { RawJson = null, EosIds = [], Windows = [] });
        Assert.Equal(config.EosIds, again.EosIds);
        Assert.Equal(DType.BF16, again.TorchDType);
        Assert.Contains("\"rope_theta\": 1000000.0", json, StringComparison.Ordinal);
        Assert.Equal(type.Replace("_text", "", StringComparison.Ordinal), JsonDocument.Parse(json).RootElement.GetProperty("architectures")[0].GetString()!.Replace("ForCausalLM", "", StringComparison.Ordinal), ignoreCase: true);
    }

    [Theory]
    [InlineData("llama3-rope", 8, false, "llama3")]
    [InlineData("qwen2-yarn", 8, true, "yarn")]
    [InlineData("qwen3", 16, false, null)]
    [InlineData("gemma2", 8, false, null)]
    public void FamilyFixturesAreRead(string name, int headDim, bool bias, string? scaling)
    {
        if (!Fixtures.Find(output, $"llama_family/{name}.json", out string path))
            return;
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        LlamaConfig config = LlamaConfig.Parse(document.RootElement.GetProperty("config").GetRawText(), path);
        Assert.Equal((48, 32, 40, 3, 4, 2, headDim), (config.VocabularySize, config.HiddenSize, config.IntermediateSize,
            config.LayerCount, config.HeadCount, config.KeyValueHeadCount, config.HeadDim));
        Assert.Equal(bias, config.QueryKeyValueBias);
        Assert.Equal(name == "qwen3", config.QueryKeyNorm);
        Assert.Equal(name is "qwen2-yarn" or "gemma2", config.TiedEmbeddings);
        Assert.Equal(scaling, config.RopeScaling?.TypeName);
        Assert.All(Enumerable.Range(0, 3), i => Assert.Equal(name == "gemma2" && i != 1 ? 5 : null, config.Window(i)));
    }

    [Fact]
    public void GemmaHasDefaultsOfItsOwn()
    {
        const string Least = """{"model_type":"TYPE","hidden_size":32,"intermediate_size":40,"num_hidden_layers":7}""";
        LlamaConfig second = LlamaConfig.Parse(Least.Replace("TYPE", "gemma2", StringComparison.Ordinal)), third = LlamaConfig.Parse(Least.Replace("TYPE", "gemma3_text", StringComparison.Ordinal));
        Assert.Equal((256_000, 8, 4, 256, 8192, 1e4, null), (second.VocabularySize, second.HeadCount, second.KeyValueHeadCount, second.HeadDim, second.MaxPositions, second.RopeTheta, second.LocalRopeTheta));
        Assert.Equal((262_208, 8, 4, 256, 131_072, 1e6, 1e4), (third.VocabularySize, third.HeadCount, third.KeyValueHeadCount, third.HeadDim, third.MaxPositions, third.RopeTheta, third.LocalRopeTheta!.Value));
        Assert.Equal((256, 50, 30, false), (second.QueryPreAttentionScalar, second.AttentionSoftCap, second.FinalSoftCap, second.QueryKeyNorm));
        Assert.Equal((256, null, null, true), (third.QueryPreAttentionScalar, third.AttentionSoftCap, third.FinalSoftCap, third.QueryKeyNorm));
        Assert.Equal([4096, 4096, 4096, 4096, 4096, null, 4096], third.Windows);
        foreach (LlamaConfig config in new[] { second, third })
            Assert.Equal((1f, true, true, true, true), (config.NormOffset, config.OutputNorms, config.GeluGate, config.ScaledEmbedding, config.TiedEmbeddings));
    }

    [Fact]
    public void GemmaKeysAreReadAndWritten()
    {
        LlamaConfig config = With(("model_type", "\"gemma3_text\""), ("query_pre_attn_scalar", "168"), ("attn_logit_softcapping", "7.5"), ("final_logit_softcapping", "null"),
            ("rope_local_base_freq", "500"), ("rope_theta", "3000"), ("rope_scaling", """{"rope_type":"linear","factor":8.0}"""), ("head_dim", "16"));
        foreach (LlamaConfig one in new[] { config, LlamaConfig.Parse(config.ToJson()) })
        {
            Assert.Equal((168, 7.5, null), (one.QueryPreAttentionScalar, one.AttentionSoftCap, one.FinalSoftCap));
            Assert.Equal((3000, 500, new RopeScaling.Linear(8)), (one.RopeTheta, one.LocalRopeTheta, one.RopeScaling));
        }
        LlamaConfig second = With(("model_type", "\"gemma2\""), ("attn_logit_softcapping", "null"));
        Assert.Equal((null, 30), (second.AttentionSoftCap, second.FinalSoftCap));
        Assert.Null(LlamaConfig.Parse(second.ToJson()).AttentionSoftCap);
    }

    [Fact]
    public void RopeParametersMayGoByLayerType()
    {
        const string Both = """{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":1000000.0},"sliding_attention":{"rope_type":"default","rope_theta":20000}}""";
        LlamaConfig config = With(("model_type", "\"gemma3_text\""), ("rope_parameters", Both), ("rope_scaling", "null"), ("rope_theta", "1000000"));
        Assert.Equal((1e6, 2e4, new RopeScaling.Linear(8)), (config.RopeTheta, config.LocalRopeTheta, config.RopeScaling));
        foreach ((string key, string value) in new[]
        {
            ("rope_theta", "5"), ("rope_local_base_freq", "5"), ("rope_scaling", """{"rope_type":"linear","factor":2}"""),
            ("rope_parameters", Both.Replace("default", "llama3", StringComparison.Ordinal)), ("rope_parameters", """{"full_attention":{"rope_type":"default"}}"""),
        })
        {
            (string, string)[] changes = key == "rope_parameters" ? [(key, value)] : [("rope_parameters", Both), (key, value)];
            Assert.Equal("HF009", Assert.Throws<ModelFileException>(() => With([("model_type", "\"gemma3_text\""), .. changes])).Code);
        }
    }

    [Theory]
    [InlineData("hidden_activation", "\"gelu\"", "HF010")]
    [InlineData("use_bidirectional_attention", "true", "HF010")]
    [InlineData("attn_logit_softcapping", "0", "HF003")]
    [InlineData("final_logit_softcapping", "-30", "HF003")]
    [InlineData("query_pre_attn_scalar", "1e300", "HF003")]
    [InlineData("rope_local_base_freq", "0", "HF009")]
    [InlineData("sliding_window_pattern", "0", "HF011")]
    public void GemmaKeysAreChecked(string key, string value, string code)
    {
        ModelFileException error = Assert.Throws<ModelFileException>(() => With(("model_type", "\"gemma3_text\""), (key, value)));
        Assert.True(error.Code == code, error.Message);
        Assert.StartsWith($"config.json: '{key}'", error.Message, StringComparison.Ordinal);
    }

    private static LlamaConfig With(params (string Key, string Value)[] changes)
    {
        JsonObject json = JsonNode.Parse(Sizes)!.AsObject();
        // Values are put in as text, so that they may be what no JSON tree would hold.
        string[] keys = [.. changes.Select(c => c.Key)];
        IEnumerable<string> kept = json.Where(p => !keys.Contains(p.Key)).Select(p => $"\"{p.Key}\":{p.Value!.ToJsonString()}");
        return LlamaConfig.Parse($"{{{string.Join(',', kept.Concat(changes.Select(c => $"\"{c.Key}\":{c.Value}")))}}}");
    }
}
