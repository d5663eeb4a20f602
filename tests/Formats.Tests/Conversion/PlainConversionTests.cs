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
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1, DType.BF16, "llama")]
    [InlineData(2, DType.F16, "qwen2")]
    [InlineData(3, DType.F32, "qwen3")]
    public void AFolderComesBackByteForByteThroughShardsAndThroughOneFile(int seed, DType type, string modelType)
    {
        TinyModels.Llama(_folder["in"], seed, type, modelType);
        PutSideFiles("in");
        ConversionReport sharded = Convert("in", "sharded", new() { MaxShardBytes = 3000, Verify = true });
        Assert.True(sharded.Exact && sharded.Verified);
        Assert.True(sharded.Files.Count(f => f.EndsWith(".safetensors", StringComparison.Ordinal)) > 1);
        Convert("sharded", "back", new());
        AssertSameFolder("in", "back");

        ConversionReport single = Convert("in", "weights.safetensors", new() { Verify = true });
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
        Convert("in.pth", "a.safetensors", new() { Verify = true });
        Convert("a.safetensors", "b.pth", new() { Verify = true });
        Convert("b.pth", "b.safetensors", new());
        Assert.Equal(File.ReadAllBytes(_folder["a.safetensors"]), File.ReadAllBytes(_folder["b.safetensors"]));
        AssertSame(model, "b.pth");
        ConversionReport kept = Convert("b.pth", "kept", new() { KeepNames = true, Verify = true });
        Assert.Equal(["model.safetensors"], kept.Files.Select(Path.GetFileName));
        AssertSame(model, "kept");
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
        Convert("hf", "back", new() { StoreAs = DType.BF16 });
        Convert("back", "again.safetensors", new(), "CV001");
        using ModelFolder back = ModelFolder.Open(_folder["back"]);
        Assert.Equal(model.Tensors.Keys.Order(), back.Tensors.Tensors.Keys.Order());
        foreach (string name in model.Tensors.Keys)
            Assert.Equal(Bytes(model, name), Bytes(back.Tensors, name));
    }

    [Fact]
    public void CastsEveryTensorAndSaysSoInTheConfiguration()
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        ConversionReport report = Convert("in", "out", new() { StoreAs = DType.BF16, Verify = true, Threads = 3 });
        Assert.False(report.Exact);
        Assert.All(report.Tensors, t => Assert.Equal((DType.F32, DType.BF16, false), (t.From, t.To, t.Exact)));
        Assert.All(report.Tensors, t => Assert.InRange(t.RelativeError!.Value, 1e-5, 0.01));
        using ModelFolder written = ModelFolder.Open(_folder["out"]);
        Assert.Equal(DType.BF16, written.Config.TorchDType);
        Assert.Equal(report.Bytes, written.Tensors.Tensors.Values.Sum(t => t.ByteLength));
        Convert("in", "int8", new() { StoreAs = DType.I8 }, "CV007");
    }

    [Fact]
    public void TellsHowFarItIsAndCanBeStopped()
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        List<ConversionProgress> told = [];
        ConversionReport report = Convert("in", "out", new() { Progress = told.Add, Verify = true });
        Assert.Equal((2 * report.Bytes, 2 * report.Bytes), (told[^1].BytesDone, told[^1].BytesTotal));
        Assert.Equal(told.Select(t => t.BytesDone).Order(), told.Select(t => t.BytesDone));
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Convert("in", "stopped", new() { Progress = _ => stop.Cancel(), Cancellation = stop.Token }));
        Assert.Equal([_folder["in"], _folder["out"]], Directory.GetFileSystemEntries(_folder.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ModelsThatAKindCannotHoldAreRefusedWithAWayOut()
    {
        TinyModels.Llama(_folder["in"], 4, DType.F32);
        Assert.Contains(".gguf", Convert("in", "llama.pth", new(), "CV001"), StringComparison.Ordinal);
        using MemoryTensors rwkv = TinyModels.Rwkv(6, 1, DType.F32);
        SafetensorsWriter.Write(_folder["six.safetensors"], rwkv.Tensors.Keys.Select(n => TensorToWrite.Copy(rwkv, n)));
        Assert.Contains(".pth", Convert("six.safetensors", "folder", new(), "CV001"), StringComparison.Ordinal);
    }

    private string Convert(string from, string to, ConversionOptions options, string code)
    {
        MarrowException error = Assert.ThrowsAny<MarrowException>(() => Convert(from, to, options));
        Assert.Equal(code, error.Code);
        Assert.False(Path.Exists(_folder[to]));
        return error.Message;
    }

    private ConversionReport Convert(string from, string to, ConversionOptions options)
    {
        using ModelFolder model = ModelFolder.Open(_folder[from]);
        return ModelConversion.Write(_folder[to], ModelConversion.KindOf(to), SourceModel.Of(model), options);
    }

    private void PutSideFiles(string folder)
    {
        _folder.Put($"{folder}/generation_config.json", """{"eos_token_id":2}""");
        _folder.Put($"{folder}/tokenizer.json", "{}");
        _folder.Put($"{folder}/tokenizer_config.json", "{ }");
    }

    private void AssertSame(MemoryTensors expected, string path)
    {
        using ModelFolder model = ModelFolder.Open(_folder[path]);
        Assert.Equal(expected.Tensors.Keys.Order(), model.Tensors.Tensors.Keys.Order());
        foreach (TensorInfo info in expected.Tensors.Values)
        {
            Assert.Equal(info.ShapeText, model.Tensors.Tensors[info.Name].ShapeText);
            Assert.Equal(Bytes(expected, info.Name), Bytes(model.Tensors, info.Name));
        }
    }

    private void AssertSameFolder(string a, string b)
    {
        string[] names = [.. Directory.GetFiles(_folder[a]).Select(Path.GetFileName).Order()!];
        Assert.Equal(names, Directory.GetFiles(_folder[b]).Select(Path.GetFileName).Order());
        foreach (string name in names)
            Assert.Equal(File.ReadAllBytes(_folder[a, name]), File.ReadAllBytes(_folder[b, name]));
    }

    private static byte[] Bytes(ITensorSource source, string name)
    {
        byte[] bytes = new byte[source.Require(name).ByteLength];
        source.Read(name, 0, bytes);
        return bytes;
    }
}
