using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Architectures;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>Keys that other programs write, or heed otherwise than the model.</summary>
public sealed class ForeignMetadataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Keys_that_are_not_known_are_told_and_usual_ones_are_not()
    {
        GgufMetadata values = ArchitectureConfigTests.Values("llama", 128, 32, 2, 40, 4, 2, 1e-5f, 10_000, 8);
        values.Set("llama.vocab_size", 10);
        values.Set("llama.expert_used_count", 0);
        values.Set("llama.rope.dimension_count", 8);
        values.Set("general.description", "anything");
        values.Set("tokenizer.ggml.fim_pad_token_id", 3);
        using ShapesOnly tensors = new ShapesOnly().Add("token_embd.weight", DType.F32, 10, 32);
        GgufArchitecture architecture = GgufArchitectures.Of(values);
        architecture.ReadConfig(tensors, values, out string? warning);
        Assert.Null(warning);
        values.Set("llama.logit_scale", 0.5f);
        values.Set("llama.residual_scale", 2f);
        architecture.ReadConfig(tensors, values, out warning);
        Assert.Contains("not heeded: 'llama.logit_scale', 'llama.residual_scale'", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void What_we_write_has_no_key_that_we_do_not_know()
    {
        foreach (string family in TinyModels.Families)
            using (MemoryTensors official = TinyModels.Official(TinyModels.Config(family)))
                Check(official, TinyModels.Config(family) with { RopeScaling = new RopeScaling.Yarn(2.5, 77, 40, 1.5, 1.25, true) });
        foreach (int version in (int[])[6, 7])
            using (MemoryTensors official = TinyModels.OfficialRwkv(version))
                Check(official, RwkvConfig.Of(official));

        static void Check(MemoryTensors official, ModelConfig config)
        {
            GgufArchitecture architecture = GgufArchitectures.For(config);
            var values = new GgufMetadata("w.gguf");
            architecture.Describe(config, values);
            architecture.ReadConfig(architecture.ToGguf(official, config), values, out string? warning);
            Assert.Null(warning);
        }
    }

    [Fact]
    public void A_folder_tells_of_keys_that_are_not_known()
    {
        LlamaConfig config = TinyModels.Config("qwen3");
        using MemoryTensors official = TinyModels.Official(config);
        GgufArchitecture architecture = GgufArchitectures.For(config);
        var values = new GgufMetadata("w.gguf");
        architecture.Describe(config, values);
        values.Set("qwen3.attention.clamp_kqv", 8f);
        using (ITensorSource stored = architecture.ToGguf(official, config))
            GgufWriter.Write(_folder["m.gguf"], values, [.. stored.Tensors.Keys.Select(n => TensorToWrite.Copy(stored, n))]);
        using ModelFolder model = ModelFolder.Open(_folder["m.gguf"]);
        Assert.Contains("'qwen3.attention.clamp_kqv'", Assert.Single(model.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_of_ollama_say_the_same_as_those_of_llama_cpp()
    {
        var values = new GgufMetadata("m.gguf");
        foreach ((string key, GgufValue value) in ArchitectureConfigTests.Values("gemma3", 32768, 1152, 26, 6912, 4, 1, 1e-6f, 1, 256).Values)
            if (key != "gemma3.rope.freq_base")
                values.Set(key, value);
        values.Set("gemma3.attention.sliding_window", 512);
        values.Set("gemma3.rope.local.freq_base", 20_000f);
        values.Set("gemma3.rope.global.freq_base", 2_000_000f);
        values.Set("gemma3.rope.scaling.type", "yarn");
        values.Set("gemma3.rope.scaling.factor", 4f);
        values.Set("gemma3.rope.scaling.original_context_length", 8192);
        values.Set("gemma3.rope.scaling.extrapolation_factor", 1f);
        values.Set("gemma3.rope.scaling.beta_fast", 64f);
        values.Set("gemma3.rope.scaling.beta_slow", 2f);
        using ShapesOnly tensors = new ShapesOnly().Add("token_embd.weight", DType.Q8_0, 262144, 1152);
        var config = (LlamaConfig)GgufArchitectures.Of(values).ReadConfig(tensors, values, out string? warning);
        Assert.Null(warning);
        Assert.Equal((20_000.0, 2_000_000.0), (config.LocalRopeTheta, config.RopeTheta));
        Assert.Equal(new RopeScaling.Yarn(4, 8192, 64, 2, RopeScaling.Yarn.DefaultAttentionFactor(4, null, null), true), config.RopeScaling);
        values.Set("gemma3.rope.scaling.extrapolation_factor", 0.5f);
        ArchitectureConfigTests.Refused("GA005", "gemma3.rope.scaling.extrapolation_factor", () => GgufArchitectures.Of(values).ReadConfig(tensors, values));
        values.Set("gemma3.rope.scaling.yarn_ext_factor", 0f);
        ArchitectureConfigTests.Refused("GA005", "gemma3.rope.scaling.yarn_ext_factor", () => GgufArchitectures.Of(values).ReadConfig(tensors, values));
        values.Set("gemma3.rope.scaling.yarn_ext_factor", -1f);
        Assert.Equal(config.RopeScaling, ((LlamaConfig)GgufArchitectures.Of(values).ReadConfig(tensors, values)).RopeScaling);
    }

    [Fact]
    public void What_llama_cpp_does_otherwise_is_told()
    {
        LlamaConfig llama = TinyModels.Config("llama"), qwen = TinyModels.Config("qwen3"), gemma = TinyModels.Config("gemma2");
        Assert.Empty(Losses(llama with { RopeScaling = new RopeScaling.Yarn(4, 64, 32, 1, 1, true), OutputBias = true, MlpBias = true }));
        Assert.Contains("yarn", Assert.Single(Losses(llama with { RopeScaling = new RopeScaling.Yarn(4, 64, 64, 1, 1, true) })), StringComparison.Ordinal);
        Assert.Contains("biases", Assert.Single(Losses(qwen with { OutputBias = true })), StringComparison.Ordinal);
        Assert.Contains("biases", Assert.Single(Losses(qwen with { MlpBias = true })), StringComparison.Ordinal);
        Assert.Empty(Losses(gemma));
        Assert.Contains("output.weight", Assert.Single(Losses(gemma with { TiedEmbeddings = false })), StringComparison.Ordinal);
        Assert.Empty(Losses(TinyModels.Config("gemma3_text") with { TiedEmbeddings = false }));

        static IReadOnlyList<string> Losses(LlamaConfig config) => GgufArchitectures.For(config).Losses(config);
    }

    [Fact]
    public void Windows_of_different_sizes_have_no_key()
    {
        LlamaConfig config = TinyModels.Config("qwen3") with { Windows = [5, 6, null] };
        ArchitectureConfigTests.Refused("GA006", "'qwen3.attention.sliding_window' can name one size", () => GgufArchitectures.For(config).Describe(config, new GgufMetadata("w.gguf")));
    }

    [Theory]
    [InlineData("rwkv7.feed_forward_length", 7)]
    [InlineData("rwkv7.attention.gate_lora_rank", 7)]
    [InlineData("rwkv6.time_mix_extra_dim", 6)]
    [InlineData("rwkv6.time_decay_extra_dim", 6)]
    public void Widths_that_contradict_the_tensors_are_refused(string key, int version)
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(version);
        RwkvConfig config = RwkvConfig.Of(official);
        GgufArchitecture architecture = GgufArchitectures.For(config);
        var values = new GgufMetadata("w.gguf");
        architecture.Describe(config, values);
        values.Set(key, 9);
        ArchitectureConfigTests.Refused("GA005", key, () => architecture.ReadConfig(architecture.ToGguf(official, config), values));
    }
}
