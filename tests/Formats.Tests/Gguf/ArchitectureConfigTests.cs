using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>Metadata as other writers put them, and what is refused.</summary>
public class ArchitectureConfigTests
{
    [Fact]
    public void Metadata_of_Llama_3_2_1B_as_its_published_files_have_them()
    {
        // The factors of theta 500000, heads of 64, factor 32: nothing else tells how frequencies are stretched.
        float[] factors = Factors(500_000, 64, 32, 1, 4, 8192);
        GgufMetadata values = Values("llama", 131072, 2048, 16, 8192, 32, 8, 1e-5f, 500_000, 64);
        using ShapesOnly tensors = new ShapesOnly().Add("token_embd.weight", DType.Q6_K, 128256, 2048).Add("blk.0.ffn_down.weight", DType.Q6_K, 2048, 8192).Add("rope_freqs.weight", factors);
        var config = (LlamaConfig)GgufArchitectures.Of(values).ReadConfig(tensors, values);
        Assert.Equal(new RopeScaling.Llama3(32, 1, 4, 8192), config.RopeScaling);
        Assert.Equal(("llama", 128256, 2048, 16, 8192, 32, 8, 64), (config.ModelType, config.VocabularySize, config.HiddenSize, config.LayerCount, config.IntermediateSize, config.HeadCount, config.KeyValueHeadCount, config.HeadDim));
        Assert.Equal((1e-5, 500_000, 131072, true), (config.RmsNormEps, config.RopeTheta, config.MaxPositions, config.TiedEmbeddings));
        Assert.Null(config.TorchDType);
        Assert.Empty(config.Windows);
    }

    [Fact]
    public void Factors_of_other_models_are_solved_for_and_strange_ones_refused()
    {
        GgufMetadata values = Values("llama", 4096, 64, 2, 64, 2, 2, 1e-5f, 500_000, 128);
        Assert.Equal(new RopeScaling.Llama3(16, 1, 6.5, 3000), Read(Factors(500_000, 128, 16, 1, 6.5f, 3000)));
        // Only ratios matter: the same factors as low 1, high 3, 2048.
        Assert.Equal(new RopeScaling.Llama3(16, 1, 3, 2048), Read(Factors(500_000, 128, 16, 2, 6, 4096)));
        Assert.Null(Read(Enumerable.Repeat(1f, 64).ToArray()));
        foreach (float[] strange in (float[][])[[.. Enumerable.Range(0, 64).Select(i => 1f + i)], [.. Enumerable.Repeat(float.NaN, 64)], [.. Enumerable.Repeat(-2f, 64)]])
            Assert.Equal("GA005", Assert.Throws<ModelFileException>(() => Read(strange)).Code);
        Assert.Equal("GA003", Assert.Throws<ModelFileException>(() => Read([1, 2])).Code);

        RopeScaling? Read(float[] factors)
        {
            using ShapesOnly tensors = new ShapesOnly().Add("token_embd.weight", DType.F16, 10, 64).Add("rope_freqs.weight", factors);
            return ((LlamaConfig)GgufArchitectures.Of(values).ReadConfig(tensors, values)).RopeScaling;
        }
    }

    [Fact]
    public void Gemma_3_has_its_own_ways_where_the_file_says_nothing()
    {
        GgufMetadata values = Values("gemma3", 32768, 1152, 26, 6912, 4, 1, 1e-6f, 1_000_000, 256);
        values.Set("gemma3.attention.sliding_window", 512);
        values.Set("tokenizer.ggml.bos_token_id", 2);
        values.Set("tokenizer.ggml.eos_token_id", 1);
        values.Set("tokenizer.ggml.eot_token_id", 106);
        using ShapesOnly tensors = new ShapesOnly().Add("token_embd.weight", DType.Q8_0, 262144, 1152).Add("blk.0.ffn_down.weight", DType.BF16, 1152, 6912);
        var config = (LlamaConfig)GgufArchitectures.Of(values).ReadConfig(tensors, values);
        Assert.Equal(("gemma3_text", 256, 256.0, 10_000.0, 1_000_000.0), (config.ModelType, config.HeadDim, config.QueryPreAttentionScalar, config.LocalRopeTheta, config.RopeTheta));
        Assert.Equal(Enumerable.Range(0, 26).Select(l => l % 6 == 5 ? (int?)null : 512), config.Windows);
        Assert.Equal((true, true, true, true, true, 1f), (config.QueryKeyNorm, config.OutputNorms, config.GeluGate, config.ScaledEmbedding, config.TiedEmbeddings, config.NormOffset));
        Assert.Equal((2, DType.BF16), (config.BosId, config.TorchDType));
        Assert.Equal([1, 106], config.EosIds);
        Assert.Null(config.FinalSoftCap);
        GgufMetadata second = Values("gemma2", 8192, 2304, 26, 9216, 8, 4, 1e-6f, 10_000, 256);
        using ShapesOnly embedding = new ShapesOnly().Add("token_embd.weight", DType.Q8_0, 256000, 2304);
        config = (LlamaConfig)GgufArchitectures.Of(second).ReadConfig(embedding, second);
        Assert.Equal((50.0, 30.0, 4096, null), (config.AttentionSoftCap, config.FinalSoftCap, config.Windows[0], config.Windows[1]));
        Assert.Null(config.LocalRopeTheta);
    }

    [Fact]
    public void Windows_of_any_pattern_come_back()
    {
        foreach (string family in (string[])["qwen2", "qwen3", "mistral", "gemma2", "gemma3_text"])
            foreach ((int?[] windows, bool periodic) in ((int?[], bool)[])[([], true), ([9, 9, 9, 9], true), ([9, null, 9, null], true), ([null, null, 9, 9], false), ([9, 9, 9, null], true),
                ([9, null, null, null], false), ([null, 9, null, 9], false)])
            {
                if (family == "mistral" && windows.Contains(null))
                    continue;
                LlamaConfig config = TinyModels.Config(family, layers: 4) with { Windows = windows };
                GgufArchitecture architecture = GgufArchitectures.For(config);
                var values = new GgufMetadata("w.gguf");
                architecture.Describe(config, values);
                using MemoryTensors official = TinyModels.Official(config);
                var read = (LlamaConfig)architecture.ReadConfig(architecture.ToGguf(official, config), values);
                Assert.Equal(Enumerable.Range(0, 4).Select(config.Window), Enumerable.Range(0, 4).Select(read.Window));
                // llama.cpp reads one number of Gemma, and nothing of the others.
                Assert.Equal(family.StartsWith("gemma", StringComparison.Ordinal) ? !periodic : windows.Any(w => w is not null), architecture.Losses(config).Count > 0);
                if (family.StartsWith("gemma", StringComparison.Ordinal) && periodic)
                    Assert.DoesNotContain(values.Values, v => v.Key.EndsWith("sliding_window_pattern", StringComparison.Ordinal) && v.Value.IsArray);
            }
    }

    [Fact]
    public void Stretches_of_frequencies_come_back()
    {
        foreach (RopeScaling? scaling in (RopeScaling?[])[null, new RopeScaling.Linear(4), new RopeScaling.Llama3(32, 1, 4, 128), new RopeScaling.Llama3(8, 0.5, 3, 77),
            new RopeScaling.Yarn(4, 32, 32, 1, RopeScaling.Yarn.DefaultAttentionFactor(4, null, null), true), new RopeScaling.Yarn(2.5, 77, 40, 1.5, 1.25, true), new RopeScaling.Yarn(4, 128, 32, 1, 0.9, true), new RopeScaling.Yarn(40, 4096, 32, 1, 0.707, true)])
        {
            LlamaConfig config = TinyModels.Config("llama") with { RopeScaling = scaling };
            GgufArchitecture architecture = GgufArchitectures.For(config);
            var values = new GgufMetadata("r.gguf");
            architecture.Describe(config, values);
            using MemoryTensors official = TinyModels.Official(config);
            var read = (LlamaConfig)architecture.ReadConfig(architecture.ToGguf(official, config), values);
            Assert.Equal(scaling, read.RopeScaling);
        }
        foreach (RopeScaling scaling in (RopeScaling[])[new RopeScaling.Dynamic(2, 100), new RopeScaling.Yarn(2, 77, 32, 1, 1, false)])
            Refused("GA006", scaling.TypeName, () => GgufArchitectures.For(TinyModels.Config("llama")).Describe(TinyModels.Config("llama") with { RopeScaling = scaling }, new GgufMetadata("x")));
        Refused("GA006", "llama3", () => GgufArchitectures.For(TinyModels.Config("qwen3")).Describe(TinyModels.Config("qwen3") with { RopeScaling = new RopeScaling.Llama3(8, 1, 4, 64) }, new GgufMetadata("x")));
    }

    [Fact]
    public void Yarn_takes_the_attention_factor_that_the_file_says()
    {
        GgufMetadata values = Values("qwen2", 131072, 64, 2, 64, 2, 2, 1e-6f, 1_000_000, 32);
        values.Set("qwen2.rope.scaling.type", "yarn");
        values.Set("qwen2.rope.scaling.factor", 4f);
        values.Set("qwen2.rope.scaling.original_context_length", 32768);
        using ShapesOnly tensors = new ShapesOnly().Add("token_embd.weight", DType.F16, 10, 64);
        Assert.Equal(new RopeScaling.Yarn(4, 32768, 32, 1, 0.1 * Math.Log(4) + 1, true), Read());
        values.Set("qwen2.rope.scaling.yarn_attn_factor", 1.5f);
        Assert.Equal(1.5, ((RopeScaling.Yarn)Read()!).AttentionFactor);

        RopeScaling? Read() => ((LlamaConfig)GgufArchitectures.Of(values).ReadConfig(tensors, values)).RopeScaling;
    }

    [Fact]
    public void What_is_not_supported_is_refused_by_name()
    {
        Refused("GA001", "phi3", () => Of(v => v.Set("general.architecture", "phi3")));
        Refused("GA001", "supported are llama, qwen2", () => Of(v => v.Set("general.architecture", "phi3")));
        Refused("GA001", "adapter", () => Of(v => v.Set("general.type", "adapter")));
        Refused("GA004", "llama.block_count", () => Of(v => v.Set("llama.block_count", 0)));
        Refused("GA004", "llama.embedding_length", () => Of(v => v.Set("llama.embedding_length", uint.MaxValue)));
        Refused("GA005", "llama.expert_count", () => Of(v => v.Set("llama.expert_count", 8)));
        Refused("GA005", "layer 1", () => Of(v => v.Set("llama.attention.head_count_kv", new GgufValue(GgufType.I32, new long[] { 2, 1 }))));
        Refused("GA004", "empty", () => Of(v => v.Set("llama.feed_forward_length", new GgufValue(GgufType.I32, Array.Empty<long>()))));
        Refused("GA005", "llama.attention.head_count_kv", () => Of(v => v.Set("llama.attention.head_count_kv", 3)));
        Refused("GA005", "llama.rope.dimension_count", () => Of(v => v.Set("llama.rope.dimension_count", 4)));
        Refused("GA005", "llama.attention.value_length", () => Of(v => v.Set("llama.attention.value_length", 16)));
        Refused("GA005", "longrope", () => Of(v => v.Set("llama.rope.scaling.type", "longrope")));
        Refused("GA005", "llama.attention.scale", () => Of(v => v.Set("llama.attention.scale", 0.01f)));
        Refused("GA005", "embeddings", () => Of(v => v.Set("llama.attention.causal", false)));
        Refused("GA004", "llama.rope.freq_base", () => Of(v => v.Set("llama.rope.freq_base", 0f)));
        Refused("GG030", "llama.context_length", () => Of(v => v.Set("llama.context_length", "long")));
        Refused("GA005", "for 2 layers", () => Of(v =>
        {
            v.Set("llama.attention.sliding_window", 3);
            v.Set("llama.attention.sliding_window_pattern", new GgufValue(GgufType.Bool, new bool[] { true }));
        }));
        // One for each layer, all alike, is as good as one.
        Assert.Equal(2, ((LlamaConfig)Of(v => v.Set("llama.attention.head_count_kv", new GgufValue(GgufType.I32, new long[] { 2, 2 })))).KeyValueHeadCount);

        static ModelConfig Of(Action<GgufMetadata> change)
        {
            GgufMetadata values = Values("llama", 128, 32, 2, 40, 4, 2, 1e-5f, 10_000, null);
            change(values);
            using ShapesOnly tensors = new ShapesOnly().Add("token_embd.weight", DType.F32, 10, 32);
            return GgufArchitectures.Of(values).ReadConfig(tensors, values);
        }
    }

    [Fact]
    public void Tensors_that_are_not_known_or_misshapen_are_refused_by_name()
    {
        LlamaConfig config = TinyModels.Config("llama");
        GgufArchitecture architecture = GgufArchitectures.For(config);
        using MemoryTensors official = TinyModels.Official(config);
        using MemoryTensors file = MemoryTensors.Copy(architecture.ToGguf(official, config), _ => false);
        file.Add("blk.0.ffn_gate_inp.weight", 4, 32).Add("blk.0.attn_q_norm.weight", 8);
        Refused("GA002", "2 tensors are not of the architecture llama", () => architecture.Official(file, config));
        Refused("GA002", "'blk.0.attn_q_norm.weight'", () => architecture.Official(file, config));
        file.Remove("blk.0.ffn_gate_inp.weight").Remove("blk.0.attn_q_norm.weight").Remove("blk.1.attn_k.weight").Add("blk.1.attn_k.weight", 15, 32);
        Refused("GA003", "'blk.1.attn_k.weight' is F32 [15,32]", () => architecture.Official(file, config));
        using (ShapesOnly large = new ShapesOnly().Add("blk.1.attn_q.weight", DType.I8, 1L << 40, 1))
            Refused("GA003", "'blk.1.attn_q.weight' is I8", () => architecture.Official(large, config));
        official.Add("model.layers.0.self_attn.sinks", 4);
        Refused("GA002", "'model.layers.0.self_attn.sinks'", () => architecture.ToGguf(official, config));
        // A second copy of the embedding is no part of a tied model.
        using MemoryTensors tied = TinyModels.Official(config with { TiedEmbeddings = true }).Add("lm_head.weight", 24, 32);
        using ITensorSource stored = architecture.ToGguf(tied, config with { TiedEmbeddings = true });
        Assert.DoesNotContain("output.weight", stored.Tensors.Keys);
    }

    internal static void Refused(string code, string part, Action action)
    {
        MarrowException error = Assert.ThrowsAny<MarrowException>(action);
        Assert.Equal(code, error.Code);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    internal static GgufMetadata Values(string architecture, int context, int hidden, int layers, int intermediate, int heads, int keyHeads, float epsilon, float theta, int? headDim)
    {
        var values = new GgufMetadata("m.gguf");
        values.Set("general.architecture", architecture);
        values.Set($"{architecture}.context_length", context);
        values.Set($"{architecture}.embedding_length", hidden);
        values.Set($"{architecture}.block_count", layers);
        values.Set($"{architecture}.feed_forward_length", intermediate);
        values.Set($"{architecture}.attention.head_count", heads);
        values.Set($"{architecture}.attention.head_count_kv", keyHeads);
        values.Set($"{architecture}.attention.layer_norm_rms_epsilon", epsilon);
        values.Set($"{architecture}.rope.freq_base", theta);
        if (headDim is { } size)
        {
            values.Set($"{architecture}.attention.key_length", size);
            values.Set($"{architecture}.attention.value_length", size);
        }
        return values;
    }

    // As spec/formats.md §6.1 writes it, in fp32 as the usual converter computes.
    private static float[] Factors(float theta, int size, float factor, float low, float high, float original)
    {
        float[] factors = new float[size / 2];
        for (int i = 0; i < factors.Length; i++)
        {
            float wave = 2 * MathF.PI / (1f / MathF.Pow(theta, 2f * i / size));
            float smooth = (original / wave - low) / (high - low);
            factors[i] = wave < original / high ? 1 : wave > original / low ? factor : 1 / ((1 - smooth) / factor + smooth);
        }
        return factors;
    }
}
