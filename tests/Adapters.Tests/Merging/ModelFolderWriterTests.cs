using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Conversion;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Tests.Merging;

public sealed class ModelFolderWriterTests : IDisposable
{
    private readonly CpuDevice _device = new(1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _folder.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void A_merged_model_comes_back_with_everything_beside_its_weights()
    {
        using ModelFolder source = Source(DType.F32);
        using CausalModel model = ModelLoader.Load(_device, source);
        using (var adapted = new AdaptedModel(model, new LoraConfig { R = 2 }, 1))
        {
            TinyLlama.Scramble(adapted);
            adapted.Merge(TinyLlama.Batch());
        }
        float[] merged = TinyLlama.Logits(model, TinyLlama.Batch());
        ModelFolderWriter.Write(_folder["out"], model, source);
        Assert.Equal(File.ReadAllBytes(_folder["source", "config.json"]), File.ReadAllBytes(_folder["out", "config.json"]));
        foreach (string name in new[] { "tokenizer.json", "tokenizer_config.json", "generation_config.json" })
            Assert.Equal(File.ReadAllText(_folder["source", name]), File.ReadAllText(_folder["out", name]));
        using ModelFolder files = ModelFolder.Open(_folder["out"]);
        using CausalModel again = ModelLoader.Load(_device, files);
        Assert.Equal(merged, TinyLlama.Logits(again, TinyLlama.Batch()));
    }

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    public void Weights_keep_the_type_of_the_source(DType type)
    {
        using ModelFolder source = Source(type);
        using CausalModel model = ModelLoader.Load(_device, source);
        ModelFolderWriter.Write(_folder["out"], model, source);
        using ModelFolder files = ModelFolder.Open(_folder["out"]);
        Assert.All(files.Tensors.Tensors.Values, t => Assert.Equal(type, t.DType));
        Assert.All(files.Tensors.Tensors.Keys, n => Assert.Equal(source.Tensors.ReadFloats(n), files.Tensors.ReadFloats(n)));
        Assert.Equal(File.ReadAllText(_folder["source", "config.json"]), File.ReadAllText(_folder["out", "config.json"]));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(DType.F32)]
    public void What_was_quantised_while_loading_and_not_changed_is_that_of_the_source(DType? storeAs)
    {
        using (Llama made = TinyLlama.Create(_device, TinyLlama.Config(hidden: 256, ffn: 512) with { VocabularySize = 64, HeadCount = 4, HeadDim = 64 }))
            ModelFolderWriter.Write(_folder["source"], made, null, DType.BF16);
        using ModelFolder source = ModelFolder.Open(_folder["source"]);
        using CausalModel model = ModelLoader.Load(_device, source, DType.NF4);
        Assert.All(model.Linears, l => Assert.Equal(DType.NF4, l.Weight.Value.DType));
        using (var adapted = new AdaptedModel(model, new LoraConfig { R = 2, Targets = new() { TargetModules = new(["q_proj"]) } }, 1))
        {
            TinyLlama.Scramble(adapted);
            adapted.Merge(TinyLlama.Batch());
        }
        ModelFolderWriter.Write(_folder["out"], model, source, storeAs);
        using ModelFolder files = ModelFolder.Open(_folder["out"]);
        Assert.Equal(source.Tensors.Tensors.Keys.Order(), files.Tensors.Tensors.Keys.Order());
        Assert.All(files.Tensors.Tensors.Values, t =>
        {
            Assert.Equal(storeAs ?? DType.BF16, t.DType);
            Assert.Equal(!t.Name.Contains("q_proj", StringComparison.Ordinal), source.Tensors.ReadFloats(t.Name).SequenceEqual(files.Tensors.ReadFloats(t.Name)));
        });
    }

    [Fact]
    public void Another_type_and_shards_are_written_as_asked()
    {
        using ModelFolder source = Source(DType.F32);
        using CausalModel model = ModelLoader.Load(_device, source);
        ModelFolderWriter.Write(_folder["out"], model, source, DType.BF16, maxShardBytes: 4000);
        using ModelFolder files = ModelFolder.Open(_folder["out"]);
        Assert.True(files.WeightFiles.Count > 2);
        Assert.Equal(DType.BF16, files.Config.TorchDType);
        Assert.Contains("\"made_up\": 1", File.ReadAllText(_folder["out", "config.json"]), StringComparison.Ordinal);
        Assert.All(files.Tensors.Tensors.Values, t => Assert.Equal(DType.BF16, t.DType));
    }

    [Fact]
    public void An_untied_head_is_written_and_the_configuration_says_so()
    {
        using ModelFolder source = Source(DType.BF16, tied: true);
        using CausalModel model = ModelLoader.Load(_device, source);
        using (var adapted = new AdaptedModel(model, new MissConfig { R = 2, Targets = new() { ModulesToSave = ["lm_head"] } }, 1))
        {
            TinyLlama.Scramble(adapted);
            adapted.Merge(TinyLlama.Batch());
        }
        ModelFolderWriter.Write(_folder["out"], model, source);
        using ModelFolder files = ModelFolder.Open(_folder["out"]);
        Assert.False(((LlamaConfig)files.Config).TiedEmbeddings);
        Assert.Equal(DType.BF16, files.Tensors.Tensors["lm_head.weight"].DType);
        using CausalModel again = ModelLoader.Load(_device, files);
        Assert.Equal(TinyLlama.Logits(model, TinyLlama.Batch()), TinyLlama.Logits(again, TinyLlama.Batch()));
    }

    [Theory]
    [InlineData("gemma2")]
    [InlineData("gemma3_text")]
    public void A_gemma_model_is_written_read_and_adapted(string type)
    {
        LlamaConfig config = TinyLlama.Config(tied: true) with
        {
            ModelType = type, QueryKeyNorm = type == "gemma3_text", LocalRopeTheta = type == "gemma3_text" ? 50 : null, AttentionSoftCap = type == "gemma2" ? 2 : null,
            FinalSoftCap = type == "gemma2" ? 3 : null, QueryPreAttentionScalar = 5, NormOffset = 1, OutputNorms = true, GeluGate = true, ScaledEmbedding = true, Windows = [3, null],
        };
        using Llama model = TinyLlama.Create(_device, config);
        ModelFolderWriter.Write(_folder["out"], model);
        using ModelFolder files = ModelFolder.Open(_folder["out"]);
        using CausalModel again = ModelLoader.Load(_device, files);
        Assert.Equal(TinyLlama.Logits(model, TinyLlama.Batch()), TinyLlama.Logits(again, TinyLlama.Batch()));
        using var adapted = new AdaptedModel(again, new LoraConfig { R = 2 }, 1);
        Assert.Equal(["q_proj", "v_proj", "q_proj", "v_proj"], again.Linears.Where(l => l.Adapter is not null).Select(l => l.Path.Split('.')[^1]));
        TinyLlama.Scramble(adapted);
        float[] with = TinyLlama.Logits(again, TinyLlama.Batch());
        adapted.Merge(TinyLlama.Batch());
        float[] merged = TinyLlama.Logits(again, TinyLlama.Batch());
        Assert.All(with.Zip(merged), both => Assert.Equal(both.First, both.Second, 1e-4f));
    }

    [Fact]
    public void A_merged_model_is_written_as_gguf_and_one_from_gguf_too()
    {
        using (Llama model = TinyLlama.Create(_device, TinyLlama.Config(tied: false)))
        {
            float[] made = TinyLlama.Logits(model, TinyLlama.Batch());
            ConversionReport report = ModelFolderWriter.Write(_folder["a.gguf"], ModelKind.Gguf, model, null, new() { Verify = true });
            Assert.True(report.Exact);
            using ModelFolder written = ModelFolder.Open(_folder["a.gguf"]);
            using CausalModel same = ModelLoader.Load(_device, written);
            Assert.Equal(made, TinyLlama.Logits(same, TinyLlama.Batch()));
        }
        using ModelFolder source = ModelFolder.Open(_folder["a.gguf"]);
        using CausalModel loaded = ModelLoader.Load(_device, source);
        using (var adapted = new AdaptedModel(loaded, new LoraConfig { R = 2 }, 1))
        {
            TinyLlama.Scramble(adapted);
            adapted.Merge(TinyLlama.Batch());
        }
        float[] merged = TinyLlama.Logits(loaded, TinyLlama.Batch());
        Assert.Equal("IO007", Assert.Throws<MarrowException>(() => ModelFolderWriter.Write(_folder["a.gguf"], ModelKind.Gguf, loaded, source, new() { Overwrite = true })).Code);
        ConversionReport half = ModelFolderWriter.Write(_folder["b.gguf"], ModelKind.Gguf, loaded, source, new() { FileType = GgufFileType.Parse("F16"), Verify = true });
        Assert.Contains(half.Tensors, t => t is { From: DType.F32, To: DType.F16, RelativeError: > 0 and < 0.001 });
        ModelFolderWriter.Write(_folder["c.gguf"], ModelKind.Gguf, loaded, source, new());
        using ModelFolder back = ModelFolder.Open(_folder["c.gguf"]);
        using CausalModel again = ModelLoader.Load(_device, back);
        Assert.Equal(merged, TinyLlama.Logits(again, TinyLlama.Batch()));
    }

    [Fact]
    public void What_storing_rounds_is_told_and_what_it_cannot_hold_is_refused()
    {
        using ModelFolder source = Source(DType.F16);
        using CausalModel model = ModelLoader.Load(_device, source);
        using (var adapted = new AdaptedModel(model, new LoraConfig { R = 2, Targets = new() { TargetModules = new(["q_proj"]) } }, 1))
        {
            TinyLlama.Scramble(adapted);
            adapted.Merge(TinyLlama.Batch());
        }
        ConversionReport report = ModelFolderWriter.Write(_folder["out"], ModelKind.HuggingFace, model, source, new());
        Assert.All(report.Tensors, t => Assert.Equal((DType.F32, DType.F16, !t.Name.Contains("q_proj", StringComparison.Ordinal)), (t.From, t.To, t.Exact)));
        Assert.All(report.Tensors.Where(t => !t.Exact), t => Assert.InRange(t.RelativeError!.Value, 1e-5, 1e-3));
        model.Linears[0].Weight.Value.WriteFloats([70_000f], 3);
        MarrowException error = Assert.ThrowsAny<MarrowException>(() => ModelFolderWriter.Write(_folder["large"], ModelKind.HuggingFace, model, source, new()));
        Assert.Equal("CV005", error.Code);
        Assert.False(Directory.Exists(_folder["large"]));
    }

    [Theory]
    [InlineData("out")]
    [InlineData("out.gguf")]
    public void A_norm_of_gemma_that_loses_its_1_in_fp32_is_told(string target)
    {
        LlamaConfig config = TinyLlama.Config(tied: true) with
        {
            ModelType = "gemma2", AttentionSoftCap = 2, FinalSoftCap = 3, QueryPreAttentionScalar = TinyLlama.Config().HeadDim, NormOffset = 1, OutputNorms = true, GeluGate = true, ScaledEmbedding = true, Windows = [3, null],
        };
        using (Llama made = TinyLlama.Create(_device, config))
            ModelFolderWriter.Write(_folder["even.gguf"], ModelKind.Gguf, made, null, new());
        // 0.1 − 1 is no fp32 number; 1.25 − 1 is.
        using (GgufFile even = GgufFile.Open(_folder["even.gguf"]))
            GgufWriter.Write(_folder["in.gguf"], even.Values, [.. even.Tensors.Values.Select(t => t.Name.EndsWith("norm.weight", StringComparison.Ordinal)
                ? TensorToWrite.FromFloats(t.Name, t.Shape, Enumerable.Repeat(t.Name == "output_norm.weight" ? 0.1f : 1.25f, (int)t.Count).ToArray()) : TensorToWrite.Copy(even, t.Name))]);
        using ModelFolder source = ModelFolder.Open(_folder["in.gguf"]);
        using CausalModel model = ModelLoader.Load(_device, source);
        using (var adapted = new AdaptedModel(model, new LoraConfig { R = 2 }, 1))
        {
            TinyLlama.Scramble(adapted);
            adapted.Merge(TinyLlama.Batch());
        }
        ConversionReport report = ModelFolderWriter.Write(_folder[target], ModelConversion.KindOf(target), model, source, new());
        Assert.EndsWith("norm.weight", Assert.Single(report.Tensors, t => !t.Exact).Name, StringComparison.Ordinal);
    }

    [Fact]
    public void The_source_itself_and_an_unmerged_adapter_are_refused()
    {
        using ModelFolder source = Source(DType.F32);
        using CausalModel model = ModelLoader.Load(_device, source);
        Assert.Equal("IO007", Assert.Throws<MarrowException>(() => ModelFolderWriter.Write(_folder["source"], model, source)).Code);
        Assert.Equal("CV007", Assert.Throws<MarrowException>(() => ModelFolderWriter.Write(_folder["out"], model, source, DType.I8)).Code);
        using var adapted = new AdaptedModel(model, new MissConfig { R = 2 }, 1);
        Assert.Equal("AD012", Assert.Throws<MarrowException>(() => ModelFolderWriter.Write(_folder["out"], model, source)).Code);
        Assert.False(Directory.Exists(_folder["out"]));
    }

    private ModelFolder Source(DType type, bool tied = false)
    {
        using Llama model = TinyLlama.Create(_device, TinyLlama.Config(tied));
        ModelFolderWriter.Write(_folder["source"], model, null, type);
        string config = File.ReadAllText(_folder["source", "config.json"]);
        File.WriteAllText(_folder["source", "config.json"], "{\n  \"made_up\": 1," + config[1..]);
        File.WriteAllText(_folder["source", "tokenizer.json"], "{\"tokenizer\":1}");
        File.WriteAllText(_folder["source", "tokenizer_config.json"], "{}");
        File.WriteAllText(_folder["source", "generation_config.json"], "{\"eos_token_id\":2}");
        return ModelFolder.Open(_folder["source"]);
    }
}
