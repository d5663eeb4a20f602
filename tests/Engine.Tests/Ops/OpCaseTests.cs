using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.SelfTest;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Tests.Ops;

public sealed class OpCaseTests
{
    public static TheoryData<string> Names => [.. OpCases.All.Select(c => c.ToString())];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_and_its_differences(string name)
    {
        using var device = new CpuDevice(2);
        OpCase op = OpCases.All.Single(c => c.ToString() == name);
        Assert.Empty(OpCheck.Run(device, op));
    }

    [Fact]
    public void The_cpu_refuses_bf16_activations_by_name()
    {
        using var device = new CpuDevice(1);
        using var tape = new Tape(device);
        var error = Assert.Throws<MarrowException>(() => tape.ActivationType = DType.BF16);
        Assert.Equal("E110", error.Code);
        Assert.Contains("cpu cannot keep activations in BF16", error.Message, StringComparison.Ordinal);
        Tensor x = tape.New(new Shape(1, 4), DType.BF16);
        Assert.Contains("x is BF16[1,4], type F32 is needed: device cpu", Assert.Throws<MarrowException>(() => Engine.Ops.BlockSum(x, 2)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Storage_types_convert()
    {
        using var device = new CpuDevice(1);
        float[] values = [.. Enumerable.Range(0, 700).Select(i => (i - 350) * 0.37f)];
        using var from = Tensor.Of(device, new Shape(700), values);
        foreach (DType type in new[] { DType.BF16, DType.F16 })
        {
            using var narrow = new Tensor(device, from.Shape, type);
            using var back = new Tensor(device, from.Shape);
            Engine.Ops.CastInto(narrow, from);
            Engine.Ops.CastInto(back, narrow);
            Assert.Equal(values.Select(v => type == DType.BF16 ? (float)(BFloat16)v : (float)(Half)v), back.ToArray());
        }
    }
}
