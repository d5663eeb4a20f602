using Marrow.Formats.Conversion;
using Marrow.Formats.Gguf;
using Marrow.Formats.HuggingFace;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Conversion;

public sealed class FixtureConversionTests(ITestOutputHelper output) : IDisposable
{
    private readonly ConvertedFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("llama_a/model", "folder")]
    [InlineData("llama_a/model_bf16", "folder")]
    [InlineData("llama_a/model_sharded", "folder")]
    [InlineData("rwkv7/model_bf16.pth", "weights.pth")]
    [InlineData("rwkv7/model_fp32.pth", "weights.safetensors")]
    public void KeepsItsTensorsOnTheWayThroughGguf(string fixture, string back)
    {
        if (!Fixtures.Find(output, fixture, out string path))
            return;
        using ModelFolder model = ModelFolder.Open(path);
        Assert.True(ModelConversion.Write(_files["model.gguf"], ModelKind.Gguf, SourceModel.Of(model), new() { Verify = true }).Exact);
        Assert.True(_files.Convert("model.gguf", back, new() { Verify = true }).Exact);
        _files.AssertSame(model.Tensors, back);
        foreach (string type in new[] { "Q8_0", "Q4_K_M", "Q2_K", "IQ4_NL" })
        {
            ConversionReport report = ModelConversion.Write(_files[$"{type}.gguf"], ModelKind.Gguf, SourceModel.Of(model), new() { FileType = GgufFileType.Parse(type), Verify = true });
            Assert.All(report.Tensors, t => Assert.InRange(t.RelativeError ?? 0, 0, 0.4));
            using ModelFolder written = ModelFolder.Open(_files[$"{type}.gguf"]);
            Assert.Equal(model.Tensors.Tensors.Values.Select(t => $"{t.Name} {t.ShapeText}").Order(), written.Tensors.Tensors.Values.Select(t => $"{t.Name} {t.ShapeText}").Order());
        }
    }
}
