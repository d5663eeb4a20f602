using System.Runtime.InteropServices;
using Marrow.Formats.Conversion;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Rwkv;
using Marrow.Formats.Tests.Tokenizers;

namespace Marrow.Formats.Tests.Conversion;

public sealed class GgufConversionTests : IDisposable
{
    private readonly ConvertedFiles _files = new();

    public static TheoryData<int, DType, string> Models()
    {
        TheoryData<int, DType, string> models = [];
        foreach (string type in new[] { "llama", "qwen2", "qwen3" })
            foreach (DType stored in new[] { DType.F32, DType.F16, DType.BF16 })
                for (int seed = 0; seed < 4; seed++)
                    models.Add(seed, stored, type);
        return models;
    }

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData(0.25f, true)]
    [InlineData(1e-9f, false)]
    public void NormsOfGemmaAreExactOnlyWhereTheir1LosesNothing(float value, bool exact)
    {
        LlamaConfig config = Gguf.TinyModels.Config("gemma2");
        using MemoryTensors all = Gguf.TinyModels.Official(config), tensors = MemoryTensors.Copy(all, IsNorm);
        foreach (TensorInfo norm in all.Tensors.Values.Where(t => IsNorm(t.Name)))
            tensors.Add(norm.Name, DType.F32, norm.Shape, MemoryMarshal.AsBytes<float>(Enumerable.Repeat(value, (int)norm.Count).ToArray()).ToArray());
        ConversionReport there = ModelConversion.Write(_files["g.gguf"], ModelKind.Gguf, new SourceModel(tensors, config), new() { Verify = true });
        Assert.Equal(exact, there.Exact);
        Assert.All(there.Tensors, t => Assert.Equal(exact || !IsNorm(t.Name), t.Exact));
        // What the file has then, 1.25 or 1, loses nothing on its way back; 0.1 does.
        Assert.True(_files.Convert("g.gguf", "back", new() { Verify = true }).Exact);
        using (GgufFile file = GgufFile.Open(_files["g.gguf"]))
            GgufWriter.Write(_files["h.gguf"], file.Values, [.. file.Tensors.Values.Select(t => t.Name == "output_norm.weight"
                ? TensorToWrite.FromFloats(t.Name, t.Shape, Enumerable.Repeat(0.1f, (int)t.Count).ToArray()) : TensorToWrite.Copy(file, t.Name))]);
        Assert.Equal("model.norm.weight", Assert.Single(_files.Convert("h.gguf", "h").Tensors, t => !t.Exact).Name);

        static bool IsNorm(string name) => name.EndsWith("norm.weight", StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void AFolderComesBackByteForByte(int seed, DType type, string modelType)
    {
        LlamaConfig config = TinyModels.Llama(_files["in"], seed, type, modelType);
        ConversionReport report = _files.Convert("in", "model.gguf", new() { Verify = true });
        Assert.True(report.Exact);
        _files.Convert("in", "named.gguf", new() { FileType = GgufFileType.Parse(type.ToString()) });
        Assert.Equal(File.ReadAllBytes(_files["model.gguf"]), File.ReadAllBytes(_files["named.gguf"]));
        _files.Convert("model.gguf", "back", new() { Verify = true });
        Assert.Equal(File.ReadAllBytes(_files["in/model.safetensors"]), File.ReadAllBytes(_files["back/model.safetensors"]));
        var back = Assert.IsType<LlamaConfig>(ModelConfigFile.Read(_files["back/config.json"]));
        Assert.Equal((config.HeadCount, config.HeadDim, config.TiedEmbeddings, config.TorchDType, config.MaxPositions, config.LayerCount),
            (back.HeadCount, back.HeadDim, back.TiedEmbeddings, back.TorchDType, back.MaxPositions, back.LayerCount));
    }

    [Fact]
    public void AFileWithoutTokenizerBecomesAFolderWithoutOne()
    {
        TinyModels.Llama(_files["in"], 1, DType.F32, "llama");
        _files.Convert("in", "model.gguf");
        using (GgufFile file = GgufFile.Open(_files["model.gguf"]))
        {
            file.Values.Set("tokenizer.ggml.model", "no_vocab");
            GgufWriter.Write(_files["bare.gguf"], file.Values, [.. file.Tensors.Keys.Select(n => TensorToWrite.Copy(file, n))]);
        }
        _files.Convert("bare.gguf", "back", new() { Verify = true });
        Assert.Equal(File.ReadAllBytes(_files["in/model.safetensors"]), File.ReadAllBytes(_files["back/model.safetensors"]));
        Assert.False(File.Exists(_files["back/tokenizer.json"]));
    }

    [Theory]
    [InlineData(7, DType.BF16)]
    [InlineData(7, DType.F32)]
    [InlineData(6, DType.BF16)]
    [InlineData(6, DType.F16)]
    public void AnRwkvModelComesBackByteForByte(int version, DType type)
    {
        for (int seed = 0; seed < 3; seed++)
        {
            using MemoryTensors model = TinyModels.Rwkv(version, seed, type);
            string from = $"in{seed}.pth", gguf = $"{seed}.gguf", pth = $"out{seed}.pth", safetensors = $"out{seed}.safetensors";
            PthWriter.Write(_files[from], [.. model.Tensors.Keys.Select(n => TensorToWrite.Copy(model, n))]);
            Assert.True(_files.Convert(from, gguf, new() { Verify = true }).Exact);
            _files.Convert(gguf, pth, new() { Verify = true });
            _files.AssertSame(model, pth);
            _files.Convert(gguf, safetensors, new() { Verify = true });
            _files.AssertSame(model, safetensors);
        }
    }

    [Fact]
    public void AFileThatIsSplitAndJoinedIsTheSame()
    {
        TinyModels.Llama(_files["in"], 5, DType.BF16);
        _files.Convert("in", "whole.gguf");
        ConversionReport split = _files.Convert("whole.gguf", "split.gguf", new() { MaxSplitBytes = 3000, Verify = true });
        Assert.True(split.Files.Count > 1);
        Assert.StartsWith("split-00001-of-", Path.GetFileName(split.Files[0]), StringComparison.Ordinal);
        string first = Path.GetFileName(split.Files[0]);
        _files.Convert(first, "joined.gguf", new() { Verify = true });
        Assert.Equal(File.ReadAllBytes(_files["whole.gguf"]), File.ReadAllBytes(_files["joined.gguf"]));
        // A part is an input as well.
        Assert.Equal("IO007", Assert.ThrowsAny<MarrowException>(() => _files.Convert(first, "split.gguf", new() { MaxSplitBytes = 3000, Overwrite = true })).Code);
        Assert.Equal("IO009", Assert.ThrowsAny<MarrowException>(() => _files.Convert("whole.gguf", "split.gguf", new() { MaxSplitBytes = 3000 })).Code);
        // What it replaces does not stay beside it under its name.
        _files.Convert("whole.gguf", "again.gguf");
        _files.Convert("whole.gguf", "again.gguf", new() { MaxSplitBytes = 3000, Overwrite = true });
        ConversionReport larger = _files.Convert("whole.gguf", "again.gguf", new() { MaxSplitBytes = 9000, Overwrite = true });
        Assert.InRange(larger.Files.Count, 2, split.Files.Count - 1);
        Assert.Equal(larger.Files, Directory.GetFiles(Path.GetDirectoryName(_files["again.gguf"])!, "again*").Order());
        // What all fits into one file is called ".gguf", however the ending was written.
        Assert.Equal("IO007", Assert.ThrowsAny<MarrowException>(() => _files.Convert("whole.gguf", "whole.GGUF", new() { MaxSplitBytes = 1 << 30, Overwrite = true })).Code);
    }

    [Fact]
    public void QuantisedTensorsLoseLittleAndOddRowsFallBack()
    {
        TinyModels.Llama(_files["in"], 1, DType.F32, multiple: 32);
        TinyModels.Llama(_files["odd"], 1, DType.F32);
        var q8 = new ConversionOptions { FileType = GgufFileType.Parse("Q8_0"), Verify = true, Threads = 3 };
        ConversionReport report = _files.Convert("in", "q8.gguf", q8);
        Assert.All(report.Tensors.Where(t => t.To == DType.Q8_0), t => Assert.InRange(t.RelativeError!.Value, 0.001, 0.01));
        Assert.All(report.Tensors.Where(t => t.To != DType.Q8_0), t => Assert.True(t.Exact && t.Shape.Count(d => d > 1) < 2, t.Name));
        Assert.Contains(report.Tensors, t => t.To == DType.Q8_0);

        ConversionReport odd = _files.Convert("odd", "odd.gguf", q8);
        Assert.Contains(odd.Tensors, t => t.To == DType.F16 && t.Fallback is not null);
        Assert.Contains(odd.Warnings, w => w.Contains("not whole blocks", StringComparison.Ordinal));

        // The same bytes whatever the threads.
        _files.Convert("in", "one.gguf", q8 with { Threads = 1, Verify = false });
        Assert.Equal(File.ReadAllBytes(_files["q8.gguf"]), File.ReadAllBytes(_files["one.gguf"]));
    }

    [Fact]
    public void QuantisedModelsBecomePlainOnlyWhenATypeIsNamed()
    {
        TinyModels.Llama(_files["in"], 1, DType.F32, multiple: 32);
        _files.Convert("in", "q8.gguf", new() { FileType = GgufFileType.Parse("Q8_0") });
        Assert.Contains("BF16", _files.Refused("CV002", "q8.gguf", "plain"), StringComparison.Ordinal);
        ConversionReport report = _files.Convert("q8.gguf", "plain", new() { StoreAs = DType.F32, Verify = true });
        Assert.True(report.Exact);
        using ModelFolder plain = ModelFolder.Open(_files["plain"]), original = ModelFolder.Open(_files["in"]);
        float[] a = plain.Tensors.ReadFloats("model.layers.0.mlp.up_proj.weight"), b = original.Tensors.ReadFloats("model.layers.0.mlp.up_proj.weight");
        Assert.All(a.Zip(b), p => Assert.InRange(p.First - p.Second, -0.01f, 0.01f));
        // Its own types are kept, and another float type is taken at its word.
        Assert.True(_files.Convert("q8.gguf", "copy.gguf").Exact);
        Assert.Equal(File.ReadAllBytes(_files["q8.gguf"]), File.ReadAllBytes(_files["copy.gguf"]));
        Assert.All(_files.Convert("q8.gguf", "half.gguf", new() { FileType = GgufFileType.Parse("F16") }).Tensors, t => Assert.True(t.To is DType.F16 or DType.F32));
    }

    [Fact]
    public void AModelThatIsQuantisedAlreadyIsQuantisedAgainOnlyWhenAllowed()
    {
        TinyModels.Llama(_files["in"], 1, DType.F32, multiple: 256);
        _files.Convert("in", "q8.gguf", new() { FileType = GgufFileType.Parse("Q8_0") });
        ConversionOptions q6 = new() { FileType = GgufFileType.Parse("Q6_K") };
        Assert.Contains("allow", _files.Refused("CV003", "q8.gguf", "q6.gguf", q6), StringComparison.Ordinal);
        ConversionReport report = _files.Convert("q8.gguf", "q6.gguf", q6 with { AllowRequantize = true, Verify = true });
        Assert.Contains(report.Tensors, t => t is { From: DType.Q8_0, To: DType.Q6_K, RelativeError: > 0.001 and < 0.04 });
    }

    [Fact]
    public void TheTokenizerGoesIntoTheFileAndOutAgain()
    {
        using MemoryTensors model = TinyModels.Rwkv(7, 2, DType.BF16, multiple: 8, vocabulary: 320);
        Directory.CreateDirectory(_files["in"]);
        PthWriter.Write(_files["in/model.pth"], [.. model.Tensors.Keys.Select(n => TensorToWrite.Copy(model, n))]);
        AtomicFile.WriteText(_files["in/rwkv_vocab_v1.txt"], TinyWorld.Lines);
        ConversionReport report = _files.Convert("in/model.pth", "model.gguf", new() { Verify = true });
        Assert.DoesNotContain(report.Warnings, w => w.Contains("no tokenizer", StringComparison.Ordinal));
        using (GgufFile file = GgufFile.Open(_files["model.gguf"]))
            Assert.Equal(("rwkv", "model"), (file.Values.Text("tokenizer.ggml.model"), file.Values.Text("general.name")));
        ConversionReport folder = _files.Convert("model.gguf", "out", new() { KeepNames = true });
        string vocabulary = Assert.Single(folder.Files, f => f.EndsWith(".txt", StringComparison.Ordinal));
        Assert.Equal(TinyWorld.Read(TinyWorld.Lines).Sorted, TinyWorld.Read(File.ReadAllText(vocabulary)).Sorted);
        // One without a tokenizer says so.
        File.Delete(_files["in/rwkv_vocab_v1.txt"]);
        Assert.Contains(_files.Convert("in/model.pth", "mute.gguf").Warnings, w => w.Contains("no tokenizer", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("no_vocab")]
    public void AFileThatSaysItHasNoTokenizerHasNone(string said)
    {
        TinyModels.Llama(_files["in"], 5, DType.BF16);
        _files.Convert("in", "whole.gguf");
        Directory.CreateDirectory(_files["bare"]);
        using (GgufFile file = GgufFile.Open(_files["whole.gguf"]))
        {
            file.Values.Set("tokenizer.ggml.model", said);
            GgufWriter.Write(_files["bare/m.gguf"], file.Values, [.. file.Tensors.Keys.Select(n => TensorToWrite.Copy(file, n))]);
        }
        _files.Convert("bare/m.gguf", "out");
        Assert.Equal(["config.json", "model.safetensors"], Directory.GetFiles(_files["out"]).Select(Path.GetFileName).Order());
        // What lies beside it is its own then.
        File.WriteAllText(_files["bare/tokenizer.json"], "{}");
        Assert.Contains(_files.Convert("bare/m.gguf", "with").Files, f => Path.GetFileName(f) == "tokenizer.json");
    }

    [Fact]
    public void WhatNothingComputesWithIsLeftOutByName()
    {
        TinyModels.Llama(_files["in"], 5, DType.BF16, tied: true);
        using ModelFolder model = ModelFolder.Open(_files["in"]);
        using MemoryTensors tensors = MemoryTensors.Of(model.Tensors.Tensors.Keys.Select(n => TensorToWrite.Copy(model.Tensors, n)).Append(TensorToWrite.Copy(model.Tensors, "model.embed_tokens.weight", "lm_head.weight")));
        ConversionReport report = ModelConversion.Write(_files["out.gguf"], ModelKind.Gguf, SourceModel.Of(model) with { Tensors = tensors });
        Assert.Contains("lm_head.weight is left out: no computation reads it, and GGUF has no place for it", report.Warnings);
        Assert.DoesNotContain(_files.Convert("in", "plain.gguf").Warnings, w => w.Contains("left out", StringComparison.Ordinal));
        File.WriteAllText(_files["in/generation_config.json"], """{"temperature":0.5}""");
        Assert.Contains(_files.Convert("in", "cold.gguf").Warnings, w => w.StartsWith("generation_config.json stays behind", StringComparison.Ordinal));
    }

    [Fact]
    public void ADamagedModelIsNotQuantised()
    {
        LlamaConfig config = TinyModels.Llama(_files["in"], 1, DType.F32, multiple: 32);
        using (ModelFolder model = ModelFolder.Open(_files["in"]))
        {
            float[] values = model.Tensors.ReadFloats("model.layers.0.mlp.up_proj.weight");
            values[77] = float.NegativeInfinity;
            Directory.CreateDirectory(_files["bad"]);
            File.Copy(_files["in/config.json"], _files["bad/config.json"]);
            SafetensorsWriter.WriteModel(_files["bad"], model.Tensors.Tensors.Values.Select(t => t.Name == "model.layers.0.mlp.up_proj.weight"
                ? TensorToWrite.FromFloats(t.Name, t.Shape, values) : TensorToWrite.Copy(model.Tensors, t.Name)));
        }
        string message = _files.Refused("CV004", "bad", "bad.gguf", new() { FileType = GgufFileType.Parse("Q8_0") });
        Assert.Contains("blk.0.ffn_up.weight", message, StringComparison.Ordinal);
        Assert.Contains("element 77", message, StringComparison.Ordinal);
        Assert.Equal(["bad", "in"], Directory.GetFileSystemEntries(_files.Path).Select(Path.GetFileName).Order());
        Assert.True(_files.Convert("bad", "bad.gguf").Exact);
    }
}
