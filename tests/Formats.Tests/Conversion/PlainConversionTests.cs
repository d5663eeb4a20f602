using Marrow.Formats.Conversion;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.Conversion;

public sealed class PlainConversionTests : IDisposable
{
    private readonly ConvertedFiles _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1, DType.BF16, "llama")]
    [InlineData(2, DType.F16, "qwen2")]
    [InlineData(3, DType.F32, "qwen3")]
    public void AFolderComesBackByteForByteThroughShardsAndThroughOneFile(int seed, DType type, string modelType)
    {
        TinyModels.Llama(_folder["in"], seed, type, modelType);
        PutSideFiles("in");
        ConversionReport sharded = _folder.Convert("in", "sharded", new() { MaxShardBytes = 3000, Verify = true });
        Assert.True(sharded.Exact && sharded.Verified);
        Assert.True(sharded.Files.Count(f => f.EndsWith(".safetensors", StringComparison.Ordinal)) > 1);
        _folder.Convert("sharded", "back", new());
        AssertSameFolder("in", "back");

        ConversionReport single = _folder.Convert("in", "weights.safetensors", new() { Verify = true });
        Assert.Contains("config.json", Assert.Single(single.Warnings), StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(_folder["in/model.safetensors"]), File.ReadAllBytes(_folder["weights.safetensors"]));
    }

    [Theory]
    [InlineData(7)]
    [InlineData(6)]
    public void AnRwkvModelGoesFromOneKindToTheOtherAndBack(int version)
    {
        using MemoryTensors model = TinyModels.Rwkv(version, version, DType.BF16);
        PthWriter.Write(_folder["in.pth"], [.. model.Tensors.Keys.Select(n => TensorToWrite.Copy(model, n))]);
        _folder.Convert("in.pth", "a.safetensors", new() { Verify = true });
        _folder.Convert("a.safetensors", "b.pth", new() { Verify = true });
        _folder.Convert("b.pth", "b.safetensors", new());
        Assert.Equal(File.ReadAllBytes(_folder["a.safetensors"]), File.ReadAllBytes(_folder["b.safetensors"]));
        _folder.AssertSame(model, "b.pth");
        ConversionReport kept = _folder.Convert("b.pth", "kept", new() { KeepNames = true, Verify = true });
        Assert.Equal(["model.safetensors"], kept.Files.Select(Path.GetFileName));
        _folder.AssertSame(model, "kept");
    }

    [Fact]
    public void Rwkv7BecomesAFolderThatHuggingFaceKnows()
    {
        using MemoryTensors model = TinyModels.Rwkv(7, 3, DType.BF16, multiple: 8);
        SafetensorsWriter.Write(_folder["in.safetensors"], model.Tensors.Keys.Select(n => TensorToWrite.Copy(model, n)));
        using (ModelFolder opened = ModelFolder.Open(_folder["in.safetensors"]))
        {
            // The form has no other epsilon over heads than this.
            RwkvConfig config = (RwkvConfig)opened.Config;
            SourceModel source = SourceModel.Of(opened) with { Config = config with { HeadNormEps = config.HeadSize * config.NormEps } };
            ConversionReport report = ModelConversion.Write(_folder["hf"], ModelKind.HuggingFace, source, new() { Verify = true, StoreAs = DType.F32 });
            Assert.All(report.Tensors, t => Assert.Equal(DType.F32, t.To));
        }
        using ModelFolder written = ModelFolder.Open(_folder["hf"]);
        RwkvConfig read = Assert.IsType<RwkvConfig>(written.Config);
        Assert.Equal((RwkvNaming.Fla7, DType.F32, 7), (read.Naming, read.TorchDType, read.Version));
        Assert.Contains("RWKV7ForCausalLM", read.RawJson, StringComparison.Ordinal);
        _folder.Convert("hf", "back", new() { StoreAs = DType.BF16 });
        _folder.Refused("CV001", "back", "again.safetensors", new());
        using ModelFolder back = ModelFolder.Open(_folder["back"]);
        Assert.Equal(model.Tensors.Keys.Order(), back.Tensors.Tensors.Keys.Order());
        foreach (string name in model.Tensors.Keys)
            Assert.Equal(ConvertedFiles.Bytes(model, name), ConvertedFiles.Bytes(back.Tensors, name));
    }

    [Fact]
    public void CastsEveryTensorAndSaysSoInTheConfiguration()
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        ConversionReport report = _folder.Convert("in", "out", new() { StoreAs = DType.BF16, Verify = true, Threads = 3 });
        Assert.False(report.Exact);
        Assert.All(report.Tensors, t => Assert.Equal((DType.F32, DType.BF16, false), (t.From, t.To, t.Exact)));
        Assert.All(report.Tensors, t => Assert.InRange(t.RelativeError!.Value, 1e-5, 0.01));
        using ModelFolder written = ModelFolder.Open(_folder["out"]);
        Assert.Equal(DType.BF16, written.Config.TorchDType);
        Assert.Equal(report.Bytes, written.Tensors.Tensors.Values.Sum(t => t.ByteLength));
        _folder.Refused("CV007", "in", "int8", new() { StoreAs = DType.I8 });
    }

    [Theory]
    [InlineData("""{"dtype": "float32", "torch_dtype": "float32",""", """
          "dtype": "bfloat16",
          "torch_dtype": "bfloat16",
        """)]
    [InlineData("""{"dtype": "float32",""", """
          "dtype": "bfloat16",
        """)]
    [InlineData("{", """
          "torch_dtype": "bfloat16"
        """)]
    public void EveryKeyOfTheTypeInTheConfigurationIsSet(string start, string expected)
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        string config = File.ReadAllText(_folder["in/config.json"]).Replace("""
              "torch_dtype": "float32",

            """, "", StringComparison.Ordinal);
        Assert.DoesNotContain("dtype", config, StringComparison.Ordinal);
        File.WriteAllText(_folder["in/config.json"], start + config.TrimStart()[1..]);
        _folder.Convert("in", "out", new() { StoreAs = DType.BF16 });
        string written = File.ReadAllText(_folder["out/config.json"]);
        Assert.Contains(expected, written, StringComparison.Ordinal);
        Assert.DoesNotContain("float32", written, StringComparison.Ordinal);
    }

    [Fact]
    public void ReadOnlyFilesBesideTheWeightsAreCopiedAndStandInsRefused()
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        PutSideFiles("in");
        File.SetAttributes(_folder["in/tokenizer.json"], FileAttributes.ReadOnly);
        try
        {
            _folder.Convert("in", "out");
            Assert.False(File.GetAttributes(_folder["out/tokenizer.json"]).HasFlag(FileAttributes.ReadOnly));
        }
        finally
        {
            File.SetAttributes(_folder["in/tokenizer.json"], FileAttributes.Normal);
        }
        File.WriteAllText(_folder["in/tokenizer.json"], "version https://git-lfs.github.com/spec/v1\n");
        Assert.Contains("git lfs pull", _folder.Refused("IO004", "in", "again"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DType.F8E4M3)]
    [InlineData(DType.F8E5M2)]
    [InlineData(DType.F8E8M0)]
    [InlineData(DType.C64)]
    public void FloatsThatAreNotDecodedAreCopiedOrRefusedByName(DType type)
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        using ModelFolder model = ModelFolder.Open(_folder["in"]);
        using MemoryTensors tensors = MemoryTensors.Of(model.Tensors.Tensors.Keys.Select(n => TensorToWrite.Copy(model.Tensors, n)));
        tensors.Add("model.scale", type, [2], new byte[type.Bytes(2)]);
        tensors.Add("model.count", DType.I8, [2], new byte[2]);
        SourceModel source = SourceModel.Of(model) with { Tensors = tensors };
        Assert.True(ModelConversion.Write(_folder["copy.safetensors"], ModelKind.Safetensors, source, new() { Verify = true }).Exact);
        MarrowException error = Assert.Throws<MarrowException>(() => ModelConversion.Write(_folder["out.safetensors"], ModelKind.Safetensors, source, new() { StoreAs = DType.BF16 }));
        Assert.Equal("CV007", error.Code);
        Assert.Contains("'model.scale'", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["out.safetensors"]));
    }

    [Fact]
    public void TellsHowFarItIsAndCanBeStopped()
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        List<ConversionProgress> told = [];
        ConversionReport report = _folder.Convert("in", "out", new() { Progress = told.Add, Verify = true });
        Assert.Equal((2 * report.Bytes, 2 * report.Bytes), (told[^1].BytesDone, told[^1].BytesTotal));
        Assert.Equal(told.Select(t => t.BytesDone).Order(), told.Select(t => t.BytesDone));
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => _folder.Convert("in", "stopped", new() { Progress = _ => stop.Cancel(), Cancellation = stop.Token }));
        Assert.Equal([_folder["in"], _folder["out"]], Directory.GetFileSystemEntries(_folder.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ModelsThatAKindCannotHoldAreRefusedWithAWayOut()
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        Assert.Contains(".gguf", _folder.Refused("CV001", "in", "llama.pth", new()), StringComparison.Ordinal);
        using MemoryTensors rwkv = TinyModels.Rwkv(6, 1, DType.F32);
        SafetensorsWriter.Write(_folder["six.safetensors"], rwkv.Tensors.Keys.Select(n => TensorToWrite.Copy(rwkv, n)));
        Assert.Contains(".pth", _folder.Refused("CV001", "six.safetensors", "folder", new()), StringComparison.Ordinal);
    }

    private void PutSideFiles(string folder)
    {
        File.WriteAllText(_folder[folder, "generation_config.json"], """{"eos_token_id":2}""");
        File.WriteAllText(_folder[folder, "tokenizer.json"], "{}");
        File.WriteAllText(_folder[folder, "tokenizer_config.json"], "{ }");
    }

    private void AssertSameFolder(string a, string b)
    {
        string[] names = [.. Directory.GetFiles(_folder[a]).Select(Path.GetFileName).Order()!];
        Assert.Equal(names, Directory.GetFiles(_folder[b]).Select(Path.GetFileName).Order());
        foreach (string name in names)
            Assert.Equal(File.ReadAllBytes(_folder[a, name]), File.ReadAllBytes(_folder[b, name]));
    }
}
