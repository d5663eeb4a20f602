using Marrow.Engine.Devices;
using Marrow.Engine.SelfTest;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>Every op case on the devices that run kernels: in fp32 within the CPU's tolerances, in bf16 within its own.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class KernelDeviceOpTests(KernelDevices devices, ITestOutputHelper output)
{
    private static readonly string[] Bf16OnProcessors = ["three sequences, grouped heads", "window", "window of two positions", "q, k and v the same tensor", "heads of 64", "soft cap, grouped heads, window"];

    public static TheoryData<string, DType, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, DType, string>();
            foreach (string kind in new[] { "opencl", "cuda" })
                foreach (DType activations in new[] { DType.F32, DType.BF16 })
                    foreach (OpCase op in OpCases.All)
                        cases.Add(kind, activations, op.ToString());
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Matches_the_reference_and_its_differences(string kind, DType activations, string name)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        OpCase op = OpCases.All.Single(c => c.ToString() == name);
        if (op.Op == "attention" && activations == DType.BF16 && device is KernelDevice { Capabilities.IsCpu: true } && !Bf16OnProcessors.Contains(op.Case))
        {
            output.WriteLine("skipped: compilers for processors take ten seconds for the kernels of each head width; fp32 and GPUs see all of them");
            return;
        }
        if (op.Quantised is { Type: not (DType.Q8_0 or DType.Q4_K or DType.NF4) } && device is KernelDevice { Capabilities.IsCpu: true })
        {
            output.WriteLine("skipped: compilers for processors take a second for the kernels of each type; GPUs see all of them, and decoding is tested for each");
            return;
        }
        if (op.Op == "wkv7" && activations == DType.BF16 && device is KernelDevice { Capabilities.IsCpu: true } && !op.Case.Contains("heads of 8", StringComparison.Ordinal))
        {
            output.WriteLine("skipped: compilers for processors take a second for each kernel and head size; fp32 and GPUs see all of them");
            return;
        }
        IReadOnlyList<string> problems = OpCheck.Run(device, op, activations);
        Assert.True(problems.Count == 0, string.Join(Environment.NewLine, problems));
        Assert.Equal(0, device.LiveBytes);
    }

    [Theory]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Storage_types_convert_as_on_the_cpu(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        float[] values = [0f, -0f, 1f, -1.5f, 1f + 1f / 256, 1f + 3f / 256, 65504f, 1e-5f, 6e-8f, 3.3895314e38f, float.PositiveInfinity, float.NegativeInfinity, 0.1f];
        using var from = Tensor.Of(device, new Shape(values.Length), values);
        foreach (DType type in new[] { DType.BF16, DType.F16 })
        {
            using var narrow = new Tensor(device, from.Shape, type);
            using var back = new Tensor(device, from.Shape);
            Engine.Ops.CastInto(narrow, from);
            Engine.Ops.CastInto(back, narrow);
            Assert.Equal(values.Select(v => type == DType.BF16 ? (float)(BFloat16)v : (float)(Half)v), back.ToArray());
        }
    }

    [Theory]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Ids_outside_the_vocabulary_are_refused(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        using var tape = new Autograd.Tape(device);
        Tensor table = tape.New(new Shape(7, 4));
        Assert.Equal("E105", Assert.Throws<MarrowException>(() => Engine.Ops.Embedding(tape.Upload([1, 7]), table)).Code);
        Assert.Equal("E105", Assert.Throws<MarrowException>(() => Engine.Ops.LinearCrossEntropy(tape.New(new Shape(1, 4)), table, tape.Upload([-1]), 1f, out _)).Code);
    }
}
