using Marrow.Formats.Numerics;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.PyTorch;

/// <summary>Files that torch itself wrote, of many versions.</summary>
public sealed class PthFixtureTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("model_fp32.pth", "model.safetensors")]
    [InlineData("state/state.pth", "state/state.safetensors")]
    public void HoldsTheSameBytesAsItsSafetensorsTwin(string pth, string twin)
    {
        if (!Fixtures.Find(output, "rwkv7", out string folder))
            return;
        using PthFile file = PthFile.Open(Path.Combine(folder, pth));
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, twin));
        Assert.Empty(file.Warnings);
        Assert.Equal(expected.Tensors.Keys.Order(), file.Tensors.Keys.Order());
        foreach (TensorInfo info in expected.Tensors.Values)
        {
            TensorInfo own = file.Require(info.Name, [.. info.Shape]);
            Assert.Equal((info.DType, info.ByteLength), (own.DType, own.ByteLength));
            Assert.Equal(Bytes(expected, info.Name), Bytes(file, info.Name));
        }
    }

    [Fact]
    public void RoundedModelIsTheRoundedOne()
    {
        if (!Fixtures.Find(output, "rwkv7", out string folder))
            return;
        using PthFile file = PthFile.Open(Path.Combine(folder, "model_bf16.pth"));
        using SafetensorsFile exact = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));
        Assert.Equal(exact.Tensors.Keys.Order(), file.Tensors.Keys.Order());
        foreach (TensorInfo info in exact.Tensors.Values)
        {
            Assert.Equal(DType.BF16, file.Require(info.Name, [.. info.Shape]).DType);
            BFloat16[] rounded = new BFloat16[info.Count], stored = new BFloat16[info.Count];
            exact.ReadBFloat16s(info.Name, 0, rounded);
            file.ReadBFloat16s(info.Name, 0, stored);
            Assert.Equal(rounded, stored);
        }
    }

    [Theory]
    [InlineData("bone/adapter_rwkv_peft.pth", "blocks.0.att.key.disha")]
    [InlineData("lora/adapter_rwkv_peft.pth", "blocks.0.att.key.lora_A")]
    [InlineData("bat_row/adapter_rwkv_peft.pth", "blocks.1.ffn.value.disha")]
    public void AdaptersOpen(string name, string tensor)
    {
        if (!Fixtures.Find(output, "rwkv7", out string folder))
            return;
        using PthFile file = PthFile.Open(Path.Combine(folder, name));
        Assert.Empty(file.Warnings);
        Assert.All(file.ReadFloats(tensor), v => Assert.True(float.IsFinite(v)));
    }

    [Theory]
    [InlineData("bfloat16.pt", "tensor:BF16[3]")]
    [InlineData("float16.pt", "tensor:F16[3]")]
    [InlineData("scalar.pt", "tensor:F32[]")]
    [InlineData("parameter.pt", "param:F32[3,3]")]
    [InlineData("mixed_types.pt", "float32:F32[2] int64:I64[2] bool:Bool[2] float64:F64[2]")]
    [InlineData("state_dict.pt", "weight:F32[3,4] bias:F32[3] running_mean:F32[3] running_var:F32[3]")]
    [InlineData("checkpoint.pt", "fc1.weight:F32[10,5] fc1.bias:F32[10] fc2.weight:F32[3,10] fc2.bias:F32[3]")]
    [InlineData("tiny_state_dict_with_one_key.pt", "test_key:F32[10,10]")]
    [InlineData("simple_legacy.pt", "weight:F32[2,3] bias:F32[2] running_mean:F32[2]")]
    [InlineData("legacy_with_offsets.pt", "tensor1:F32[10] tensor2:F32[5] tensor3:F32[5]")]
    public void SmallFilesHoldWhatTheirPicklesSay(string name, string tensors)
    {
        if (!Fixtures.Find(output, "torch", out string folder))
            return;
        using PthFile file = PthFile.Open(Path.Combine(folder, name));
        Assert.True(PthFile.IsPth(file.Path));
        Assert.Equal(tensors, string.Join(' ', file.Tensors.Values.Select(t => $"{t.Name}:{t.DType}{t.ShapeText}")));
    }

    [Theory]
    [InlineData("mixed_types.pt", "float32", 1f, 2f)]
    [InlineData("mixed_types.pt", "float64", 1.1f, 2.2f)]
    [InlineData("bfloat16.pt", "tensor", 1.5f, -2.5f, 3.5f)]
    [InlineData("float16.pt", "tensor", 1.5f, -2.25f, 3.125f)]
    [InlineData("scalar.pt", "tensor", 42f)]
    [InlineData("simple_legacy.pt", "bias", 1f, 1f)]
    [InlineData("simple_legacy.pt", "running_mean", 0f, 0f)]
    [InlineData("legacy_with_offsets.pt", "tensor2", 2f, 2.1f, 2.2f, 2.3f, 2.4f)]
    [InlineData("legacy_with_offsets.pt", "tensor3", 3f, 3.1f, 3.2f, 3.3f, 3.4f)]
    public void ValuesAreThoseThatTorchLoads(string name, string tensor, params float[] values)
    {
        if (!Fixtures.Find(output, "torch", out string folder))
            return;
        using PthFile file = PthFile.Open(Path.Combine(folder, name));
        Assert.Equal(values, file.ReadFloats(tensor));
    }

    [Fact]
    public void IntegersAndWhatIsLeftOut()
    {
        if (!Fixtures.Find(output, "torch", out string folder))
            return;
        using PthFile mixed = PthFile.Open(Path.Combine(folder, "mixed_types.pt"));
        Assert.Equal([100, 200], mixed.ReadInt64s("int64"));
        Assert.Equal([1, 0], mixed.ReadInt64s("bool"));
        using PthFile checkpoint = PthFile.Open(Path.Combine(folder, "checkpoint.pt"));
        Assert.Equal("not read: 'optimizer_state_dict', 'epoch', 'loss'", Assert.Single(checkpoint.Warnings));
        Assert.Equal(1.0414f, checkpoint.ReadFloats("fc1.weight")[0], 4);
    }

    [Fact]
    public void TheBrokenFileIsNamed()
    {
        if (!Fixtures.Find(output, "torch", out string folder))
            return;
        string path = Path.Combine(folder, "broken.pt");
        Assert.False(PthFile.IsPth(path));
        Assert.Equal("PT001", Assert.Throws<ModelFileException>(() => PthFile.Open(path)).Code);
    }

    private static byte[] Bytes(ITensorSource source, string name)
    {
        byte[] bytes = new byte[source.Require(name).ByteLength];
        source.Read(name, 0, bytes);
        return bytes;
    }
}
