using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>Every op that takes a frozen weight matrix, with that matrix quantised in the device's memory: against the decoded matrix on the same device and on the CPU.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class BlockOpTests(KernelDevices devices, ITestOutputHelper output)
{
    private const int Outputs = 96;

    private static readonly (string Name, int Rows, int Inputs, Func<Tape, Tensor, Tensor, Tensor[], Tensor> Run)[] Ops =
    [
        ("linear", 33, 512, (_, x, w, _) => Engine.Ops.Linear(x, w)),
        ("linear of one row", 1, 768, (_, x, w, _) => Engine.Ops.Linear(x, w)),
        ("embedding and linear", 7, 256, (t, x, w, _) => Engine.Ops.Linear(Engine.Ops.Add(x, Engine.Ops.Embedding(t.Upload([0, 95, 3, 3, 50, 1, 17]), w, 1.5f)), w)),
        ("bone of few rows", 5, 512, (_, x, w, p) => Engine.Ops.BoneLinear(x, w, p[0])),
        ("bone of many rows", 700, 256, (_, x, w, p) => Engine.Ops.BoneLinear(x, w, p[1])),
        ("bone of many rows, odd rank", 512, 256, (_, x, w, p) => Engine.Ops.BoneLinear(x, w, p[2])),
        ("bat", 9, 256, (_, x, w, p) => Engine.Ops.BatLinear(x, w, p[3])),
        ("product", 9, 96, (_, x, w, _) => Engine.Ops.Product(x, w)),
        ("head and loss", 70, 256, (t, x, w, _) => Engine.Ops.LinearCrossEntropy(x, w, t.Upload([.. Enumerable.Range(0, 70).Select(i => i % 7 == 3 ? -100 : i % 96)]), 0.1f, out Tensor _)),
    ];

    public static TheoryData<string, DType> Cases
    {
        get
        {
            var cases = new TheoryData<string, DType>();
            foreach (DType type in BlockWeights.Types)
                foreach ((string name, int _, int _, var _) in Ops)
                    cases.Add(name, type);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Values_and_gradients(string name, DType type)
    {
        devices.Find(output, "cpu", out Device cpu);
        foreach (string kind in (string[])["opencl", "cuda"])
        {
            if (!devices.Find(output, kind, out Device device))
                continue;
            (float[] Y, float[] Dx, float[] Dp) got = Compute(device, name, type, false), plain = Compute(device, name, type, true), host = Compute(cpu, name, type, false);
            Close(plain.Y, got.Y, 2e-6);
            Close(plain.Dx, got.Dx, 2e-6);
            Close(plain.Dp, got.Dp, 2e-6);
            Close(host.Y, got.Y, 1e-5);
            Close(host.Dx, got.Dx, 1e-5);
            Close(host.Dp, got.Dp, 1e-5);
            Assert.Equal(0, device.LiveBytes);
        }
    }

    // Value, gradient of x and gradients of the parameters, of the op with the quantised weight or with its values in fp32.
    private static (float[] Y, float[] Dx, float[] Dp) Compute(Device device, string name, DType type, bool decoded)
    {
        (string _, int rows, int inputs, var run) = Ops.Single(o => o.Name == name);
        var random = new Random(30);
        bool product = name == "product";
        using var tape = new Tape(device) { Recording = true, Training = true };
        using Tensor stored = BlockWeights.Upload(device, random, type, product ? new Shape(96, 512) : new Shape(Outputs, inputs), out float[] values);
        using Tensor plain = Tensor.Of(device, stored.Shape, values);
        Tensor x = Draw(tape, random, new Shape(rows, inputs));
        Tensor[] parameters = [.. new Shape[] { new(8, Outputs), new(64, Outputs), new(37, Outputs), new(Outputs / 16, 16, 16) }.Select(s => Draw(tape, random, s))];
        foreach (Tensor p in parameters.Append(x))
        {
            p.NeedsGrad = true;
            p.Grad = tape.New(p.Shape);
            p.Grad.Clear();
        }
        Tensor y = run(tape, x, decoded ? plain : stored, parameters);
        float[] value = y.ToArray();
        if (y.Shape.Count > 1)
        {
            tape.Backward(y, Draw(tape, random, y.Shape));
        }
        else
        {
            tape.Backward(y);
        }
        return (value, x.Grad!.ToArray(), [.. parameters.SelectMany(p => p.Grad!.ToArray())]);
    }

    private static void Close(float[] want, float[] got, double limit)
    {
        double size = Math.Max(1e-3, want.Max(Math.Abs));
        for (int i = 0; i < want.Length; i++)
            Assert.True(Math.Abs(want[i] - got[i]) <= limit * size, $"element {i}: {got[i]}, expected {want[i]} (of at most {size})");
    }

    private static Tensor Draw(Tape tape, Random random, Shape shape)
    {
        Tensor tensor = tape.New(shape);
        tensor.WriteFloats([.. Enumerable.Range(0, (int)shape.Count).Select(_ => random.NextSingle() * 2 - 1)]);
        return tensor;
    }
}
