using System.Runtime.InteropServices;
using System.Text;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.HuggingFace;

public sealed class BitsAndBytesTests : IDisposable
{
    private const int Rows = 3, Columns = 256, Blocks = Rows * Columns / 64;

    private static readonly float[] Levels =
    [
        -1f, -0.6961928f, -0.5250731f, -0.3949175f, -0.2844414f, -0.1847734f, -0.09105004f, 0f, 0.0795803f, 0.1609302f, 0.2461123f, 0.3379152f, 0.4407098f, 0.562617f, 0.7229568f, 1f,
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Stored_codes_and_scales_are_one_tensor(bool nested)
    {
        using MemoryTensors stored = Stored(nested, out float[] expected);
        using ITensorSource shown = BitsAndBytesTensors.Open(stored);
        Assert.Equal(["norm.weight", "p.weight"], shown.Tensors.Keys.Order(StringComparer.Ordinal));
        TensorInfo info = shown.Tensors["p.weight"];
        Assert.Equal((DType.NF4, "[3,256]", Blocks * 36L), (info.DType, info.ShapeText, info.ByteLength));
        float[] values = shown.ReadFloats("p.weight");
        for (int i = 0; i < values.Length; i++)
            Assert.Equal(expected[i], values[i], Math.Abs(expected[i]) * 1e-6f);
        byte[] whole = new byte[info.ByteLength], part = new byte[100];
        shown.Read("p.weight", 0, whole);
        shown.Read("p.weight", 77, part);
        Assert.Equal(whole[77..177], part);
        // The codes of a block are those of the file.
        byte[] codes = new byte[32];
        stored.Read("p.weight", 5 * 32, codes);
        Assert.Equal(codes, whole[(5 * 36 + 4)..(6 * 36)]);
    }

    [Fact]
    public void A_folder_of_such_weights_opens()
    {
        var config = new LlamaConfig { ModelType = "llama", VocabularySize = 4, HiddenSize = 64, IntermediateSize = 64, LayerCount = 1, HeadCount = 1, KeyValueHeadCount = 1, HeadDim = 64, MaxPositions = 8 };
        string plain = config.ToJson();
        _folder.Put("config.json", plain.Insert(plain.IndexOf('{') + 1, Quantisation("bitsandbytes", "nf4") + ","));
        using MemoryTensors stored = Stored(nested: true, out _);
        SafetensorsWriter.WriteModel(_folder.Path, [.. stored.Tensors.Keys.Select(n => TensorToWrite.Copy(stored, n))]);
        using ModelFolder model = ModelFolder.Open(_folder.Path);
        Assert.Equal(DType.NF4, model.Tensors.Tensors["p.weight"].DType);
        Assert.Equal(2, model.Tensors.Tensors.Count);
        // Merged weights are not stored so any more.
        Assert.DoesNotContain("quantization_config", model.Config.RawJson!, StringComparison.Ordinal);
        Assert.Equal(config.ToJson(), LlamaConfig.Parse(model.Config.RawJson!).ToJson());
        Assert.NotNull(model.ConfigFile);
    }

    [Theory]
    [InlineData("bitsandbytes", "fp4", "fp4")]
    [InlineData("gptq", null, "gptq")]
    [InlineData("awq", null, "awq")]
    [InlineData("bitsandbytes", null, "fp4")]
    public void Other_methods_are_refused_by_name(string method, string? type, string named)
    {
        ModelFileException error = Assert.Throws<ModelFileException>(() => LlamaConfig.Parse($$"""{"model_type":"llama",{{Quantisation(method, type)}}}"""));
        Assert.Equal("HF007", error.Code);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Contains("use the original", error.Message, StringComparison.Ordinal);
        Assert.Equal("HF007", Assert.Throws<ModelFileException>(() => ModelConfigFile.Read(_folder.Put("config.json", $$"""{"model_type":"rwkv7",{{Quantisation(method, type)}}}"""))).Code);
    }

    [Fact]
    public void Weights_in_8_bits_are_refused() =>
        Refused("BB002", "8 bits", s => s.Add("q.SCB", 4));

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        Refused("BB001", "nested_quant_map", s => s.Remove("p.weight.nested_quant_map").Add("p.weight.nested_quant_map", 255));
        Refused("BB001", "nested_absmax", s => s.Remove("p.weight.nested_absmax").Add("p.weight.nested_absmax", 5));
        Refused("TS001", "nested_absmax", s => s.Remove("p.weight.nested_absmax"));
        Refused("TS001", "quant_map", s => s.Remove("p.weight.quant_map"));
        Refused("TS001", "'p.weight'", s => s.Remove("p.weight"));
        Refused("BB001", "absmax", s => s.Remove("p.weight.absmax").Add("p.weight.absmax", DType.U8, [7], new byte[7]));
        Refused("BB001", "p.weight", s => s.Remove("p.weight").Add("p.weight", DType.U8, [8, 1], new byte[8]));
        Refused("BB002", "level", s => s.Remove("p.weight.quant_map").Add("p.weight.quant_map", DType.F32, [16], new byte[64]));
        Refused("BB002", "fp4", s => State(s, "fp4", 64, $"[{Rows},{Columns}]"));
        Refused("BB002", "blocks of 128", s => State(s, "nf4", 128, $"[{Rows},{Columns}]"));
        Refused("BB002", "rows of 96", s => State(s, "nf4", 64, "[8,96]"));
        Refused("BB001", "shape", s => State(s, "nf4", 64, "[768]"));
        Refused("BB001", "shape", s => State(s, "nf4", 64, "[0,768]"));
        Refused("BB001", "p.weight", s => State(s, "nf4", 64, "[2147483647,2147483584]"));
        Refused("BB001", "JSON", s => s.Remove("p.weight.quant_state.bitsandbytes__nf4").Add("p.weight.quant_state.bitsandbytes__nf4", DType.U8, [3], "{\"a"u8.ToArray()));
        Refused("BB001", "two states", s => s.Add("p.weight.quant_state.bitsandbytes__fp4", DType.U8, [2], "{}"u8.ToArray()));
    }

    private static void Refused(string code, string part, Action<MemoryTensors> change)
    {
        using MemoryTensors stored = Stored(nested: true, out _);
        change(stored);
        Assert.True(BitsAndBytesTensors.IsPresent(stored));
        ModelFileException error = Assert.Throws<ModelFileException>(() => BitsAndBytesTensors.Open(stored));
        Assert.Equal(code, error.Code);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    private static void State(MemoryTensors tensors, string type, int block, string shape)
    {
        const string name = "p.weight.quant_state.bitsandbytes__nf4";
        byte[] text = Encoding.UTF8.GetBytes($$"""{"quant_type": "{{type}}", "blocksize": {{block}}, "dtype": "bfloat16", "shape": {{shape}}, "nested_blocksize": 8, "nested_dtype": "float32", "nested_offset": 0.125}""");
        if (tensors.Tensors.ContainsKey(name))
            tensors.Remove(name);
        tensors.Add(name, DType.U8, [text.Length], text);
    }

    /// <summary>A matrix as bitsandbytes stores it, element 2i in the high half of byte i, and what it decodes to.</summary>
    internal static MemoryTensors Stored(bool nested, out float[] expected)
    {
        var random = new Random(3);
        byte[] codes = new byte[Rows * Columns / 2], scaleCodes = new byte[Blocks];
        random.NextBytes(codes);
        random.NextBytes(scaleCodes);
        float[] map = [.. Enumerable.Range(0, 256).Select(i => (i - 128) / 512f)], outer = [0.5f, 0.25f];
        float[] scales = [.. Enumerable.Range(0, Blocks).Select(b => nested ? map[scaleCodes[b]] * outer[b / 8] + 0.125f : 0.01f * (b + 1))];
        expected = [.. Enumerable.Range(0, Rows * Columns).Select(i => Levels[i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15] * scales[i / 64])];
        var tensors = new MemoryTensors();
        tensors.Add("p.weight", DType.U8, [codes.Length, 1], codes);
        tensors.Add("norm.weight", 64);
        tensors.Add("p.weight.quant_map", DType.F32, [16], Bytes(Levels));
        State(tensors, "nf4", 64, $"[{Rows}, {Columns}]");
        if (!nested)
            return tensors.Add("p.weight.absmax", DType.F32, [Blocks], Bytes(scales));
        return tensors.Add("p.weight.absmax", DType.U8, [Blocks], scaleCodes)
            .Add("p.weight.nested_absmax", DType.F32, [2], Bytes(outer)).Add("p.weight.nested_quant_map", DType.F32, [256], Bytes(map));
    }

    private static byte[] Bytes(float[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    internal static string Quantisation(string method, string? type) =>
        $$"""
        "quantization_config": {"quant_method": "{{method}}", "load_in_4bit": true{{(type is null ? "" : $", \"bnb_4bit_quant_type\": \"{type}\"")}}, "bnb_4bit_use_double_quant": true}
        """;
}
