using Marrow.Adapters.Converting;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests.Converting;

/// <summary>Adapters of the reference data, in every kind of file: the logits stay the reference's.</summary>
public sealed class FixtureConversionTests(ITestOutputHelper output) : IDisposable
{
    private readonly CpuDevice _device = new(1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _folder.Dispose();
        _device.Dispose();
    }

    public static TheoryData<string, string, string> Cases()
    {
        var data = new TheoryData<string, string, string>();
        foreach (string name in new[] { "lora", "rslora", "bone", "miss", "miss_pad", "miss_mini" })
            foreach (AdapterKind kind in AdapterKinds.All.Where(k => k.Name != "rwkv-peft"))
                data.Add("llama_a", name, kind.Name);
        foreach (string name in new[] { "lora", "bone" })
            foreach (AdapterKind kind in AdapterKinds.All)
                data.Add("rwkv7", name, kind.Name);
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Logits_stay_the_references(string family, string name, string kind)
    {
        if (!Fixtures.Find(output, family, out string root))
            return;
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, family == "rwkv7" ? "model.safetensors" : "model"));
        string path = _folder["out" + AdapterFixture.Kind(kind).Ending];
        AdapterConversionReport report = AdapterConversion.Run(new() { Inputs = [new(Path.Combine(root, name, "adapter"))], Output = path, Target = AdapterFixture.Kind(kind), Model = files, AsLora = true });
        Assert.Equal(name == "rslora" && kind is "gguf-lora" or "kohya" ? Exactness.Rounded : Exactness.Exact, report.Exactness);
        using CausalModel model = ModelLoader.Load(_device, files);
        TokenBatch batch = FixtureRun.Batch(root);
        using AdapterFiles adapter = AdapterFiles.Open(path, kind == "rwkv-peft" ? report.Alpha : null);
        using AdaptedModel adapted = AdaptedModel.Load(model, adapter);
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(root, name, "expected.safetensors"));
        Assert.InRange(TinyLlama.LargestDifference(expected.ReadFloats("logits"), TinyLlama.Logits(model, batch)), 0, 1e-4f);
    }

    [Theory]
    [InlineData("llama_a", "dora", "adapter")]
    [InlineData("llama_a", "bat", "adapter")]
    [InlineData("rwkv7", "bat_row", "adapter_rwkv_peft.pth")]
    public void What_is_no_lora_is_refused_or_decomposed(string family, string name, string file)
    {
        if (!Fixtures.Find(output, family, out string root))
            return;
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, family == "rwkv7" ? "model.safetensors" : "model"));
        AdapterConversionRequest request = new() { Inputs = [new(Path.Combine(root, name, file))], Output = _folder["x.gguf"], Target = AdapterFixture.Kind("gguf-lora"), Model = files };
        Assert.Equal("AC004", Assert.Throws<MarrowException>(() => AdapterConversion.Run(request)).Code);
        Assert.Equal("AC006", Assert.Throws<MarrowException>(() => AdapterConversion.Run(request with { Model = null, Output = _folder["x.safetensors"], Target = AdapterFixture.Kind("kohya"), Approximate = new(8) })).Code);
        AdapterConversionReport small = AdapterConversion.Run(request with { Approximate = new(8) { AllowError = true } });
        output.WriteLine($"{name}: rank 8 misses {small.RelativeError:p2} of the change, {small.Layers.Max(l => l.ErrorOfWeight):p2} of a weight at most");
        Assert.InRange(small.RelativeError!.Value, 0.001, 0.999);
        AdapterConversionReport whole = AdapterConversion.Run(request with { Approximate = new(64) });
        Assert.InRange(whole.RelativeError!.Value, 0, 1e-5);
        using CausalModel model = ModelLoader.Load(_device, files);
        using AdapterFiles adapter = AdapterFiles.Open(_folder["x.gguf"]);
        using AdaptedModel adapted = AdaptedModel.Load(model, adapter);
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(root, name, "expected.safetensors"));
        Assert.InRange(TinyLlama.LargestDifference(expected.ReadFloats("logits"), TinyLlama.Logits(model, FixtureRun.Batch(root))), 0, 2e-4f);
    }

    [Fact]
    public void Dora_goes_to_mlx_and_back()
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, "model"));
        AdapterConversionRequest request = new() { Inputs = [new(Path.Combine(root, "dora", "adapter"))], Output = _folder["m"], Target = AdapterFixture.Kind("mlx"), Model = files };
        Assert.Equal(Exactness.Exact, AdapterConversion.Run(request).Exactness);
        AdapterConversion.Run(request with { Inputs = [new(_folder["m"])], Output = _folder["p"], Target = AdapterFixture.Kind("peft") });
        using SafetensorsFile a = SafetensorsFile.Open(Path.Combine(root, "dora", "adapter", "adapter_model.safetensors")), b = SafetensorsFile.Open(_folder["p", "adapter_model.safetensors"]);
        Assert.Equal(a.Tensors.Keys.Order(), b.Tensors.Keys.Order());
        foreach (string name in a.Tensors.Keys)
            Assert.Equal(a.ReadFloats(name), b.ReadFloats(name));
        Assert.Contains("\"use_dora\": true", File.ReadAllText(_folder["p", "adapter_config.json"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Pissa_without_its_start_is_refused()
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        foreach (string name in new[] { "pissa", "olora" })
            Assert.Equal("AC012", Assert.ThrowsAny<MarrowException>(() => AdapterConversion.Run(new() { Inputs = [new(Path.Combine(root, name, "adapter"))], Output = _folder["x"], Target = AdapterFixture.Kind("peft") })).Code);
    }
}
