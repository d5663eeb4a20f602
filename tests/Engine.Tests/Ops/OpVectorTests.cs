using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.SelfTest;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>Golden operator vectors of another program, in double: our references reproduce them to 1e-10, the fp32 bodies to 1e-4 of the largest value.</summary>
public sealed partial class OpVectorTests(ITestOutputHelper output)
{
    [Fact]
    public void RmsNorm() => WithVectors("rmsnorm", v => Check(
        new OpCase("rms_norm", "vectors", [new(14, 48), new(48)], (_, t) => Engine.Ops.RmsNorm(t[0], t[1], 1e-5f), a => RmsNormNode.Reference(a[0], a[1], 1e-5)),
        [v["in.x"], v["in.weight"]], v["out.y"], v["up.y"], [v["grad.x"], v["grad.weight"]]));

    [Fact]
    public void SwiGlu() => WithVectors("swiglu", v => Check(
        new OpCase("swiglu", "vectors", [new(15, 22), new(15, 22)], (_, t) => Engine.Ops.SwiGlu(t[0], t[1]), a => SwiGluNode.Reference(a[0], a[1])),
        [v["in.gate"], v["in.up"]], v["out.y"], v["up.y"], [v["grad.gate"], v["grad.up"]]));

    [Theory]
    [InlineData("case0", 16, 10000.0)]
    [InlineData("case1", 24, 500000.0)]
    public void Rope(string name, int d, double theta) => WithVectors("rope", v =>
    {
        double[] Heads(string key) => Rows(v[$"{name}.{key}"], 2, 3, 9, d);
        double[] Half(string key) => [.. v[$"{name}.in.{key}"].Where((_, i) => i % d < d / 2)];
        int[] rows = [.. Enumerable.Range(0, 18)];
        Check(
            new OpCase("rope", name, [new(18, 3 * d), new(18, d / 2), new(18, d / 2)],
                (tape, t) => Engine.Ops.Rope(Engine.Ops.Add(t[0], t[3]), tape.Upload(rows), t[1], t[2]),
                a => RopeNode.Reference(a[0], rows, a[1], a[2])) { Frozen = [1, 2, 3] },
            [Heads("in.x"), Half("cos"), Half("sin"), new double[18 * 3 * d]], Heads("out.y"), Heads("up.y"), [Heads("grad.x"), null, null, null]);
        var config = new LlamaConfig
        {
            ModelType = "llama", VocabularySize = 1, HiddenSize = d, IntermediateSize = 1, LayerCount = 1, HeadCount = 1, KeyValueHeadCount = 1, HeadDim = d, MaxPositions = 64, RopeTheta = theta,
        };
        float[] frequencies = RopeTable.Frequencies(config, 1);
        double[] positions = v[$"{name}.in.positions"], cos = Half("cos");
        for (int i = 0; i < cos.Length; i++)
            Assert.Equal(cos[i], Math.Cos(positions[i / (d / 2)] * frequencies[i % (d / 2)]), 5);
    });

    [Fact]
    public void Attention() => WithVectors("attention_packed", v =>
    {
        double[] segments = v["in.segment_ids"];
        int[] starts = [.. Enumerable.Range(0, 40).Where(i => i % 20 == 0 || segments[i] != segments[i - 1]), 40];
        // The scale goes into q, in double: as a float it would cost the reference its last digits.
        var form = new AttentionShape(4, 2, 8, 1f);
        double root = Math.Sqrt(8);
        Check(
            new OpCase("attention", "vectors", [new(40, 32), new(40, 16), new(40, 16)], (tape, t) => Engine.Ops.Attention(t[0], t[1], t[2], tape.Upload(starts), form),
                a => AttentionNode.Reference(a[0], a[1], a[2], starts, form)),
            [[.. Rows(v["in.q"], 2, 4, 20, 8).Select(x => x / root)], Rows(v["in.k"], 2, 2, 20, 8), Rows(v["in.v"], 2, 2, 20, 8)], Rows(v["out.o"], 2, 4, 20, 8), Rows(v["up.o"], 2, 4, 20, 8),
            [[.. Rows(v["grad.q"], 2, 4, 20, 8).Select(x => x * root)], Rows(v["grad.k"], 2, 2, 20, 8), Rows(v["grad.v"], 2, 2, 20, 8)]);
    });

    [Fact]
    public void CrossEntropy() => WithVectors("cross_entropy", v =>
    {
        int[] targets = [.. v["in.targets"].Select(t => (int)t)];
        double[] identity = [.. Enumerable.Range(0, 33 * 33).Select(i => i % 34 == 0 ? 1.0 : 0.0)];
        Check(
            new OpCase("linear_cross_entropy", "vectors", [new(12, 33), new(33, 33)], (tape, t) => Engine.Ops.LinearCrossEntropy(t[0], t[1], tape.Upload(targets), 1f / 9, out _),
                a => LinearCrossEntropyNode.Reference(a[0], a[1], targets, 1.0 / 9)) { Frozen = [1] },
            [v["in.logits"], identity], v["out.loss_mean"], [1.0], [v["grad.logits"], null]);
        using var device = new CpuDevice(1);
        using var tape = new Autograd.Tape(device);
        Tensor logits = tape.New(new Shape(12, 33)), head = tape.New(new Shape(33, 33));
        logits.Upload<float>(Array.ConvertAll(v["in.logits"], x => (float)x));
        head.Upload<float>(Array.ConvertAll(identity, x => (float)x));
        Tensor sum = Engine.Ops.LinearCrossEntropy(logits, head, tape.Upload(targets), 1f, out Tensor rows);
        Assert.Equal(v["out.loss_sum"][0], sum.ToArray()[0], 4);
        Assert.All(rows.ToArray().Zip(v["out.per_token"]), p => Assert.Equal(p.Second, p.First, 5));
    });

    private static void Check(OpCase op, double[][] inputs, double[] value, double[] upstream, double[]?[] gradients)
    {
        NdArray[] arrays = [.. inputs.Select((x, i) => new NdArray(i < op.Inputs.Length ? op.Inputs[i] : op.Inputs[0], x))];
        NdArray reference = op.Reference(arrays);
        AssertClose("reference", value, reference.Values, 1e-10);
        var up = new NdArray(reference.Shape, upstream);
        for (int i = 0; i < gradients.Length; i++)
        {
            // Differences of the reference: their own error is about 1e-9.
            for (int at = 0; gradients[i] is not null && at < gradients[i]!.Length; at += 7)
            {
                var direction = new NdArray(arrays[i].Shape);
                direction.Values[at] = 1;
                Assert.Equal(gradients[i]![at], OpCheck.Derivative(op, arrays, up, i, direction), 1e-7);
            }
        }
        using var device = new CpuDevice(2);
        int[] trainable = [.. Enumerable.Range(0, gradients.Length).Where(i => gradients[i] is not null)];
        NdArray?[] got = OpCheck.Compute(device, op, arrays, up, trainable, false, Formats.Numerics.DType.F32, out NdArray computed);
        AssertClose("fp32", value, computed.Values, 1e-4 * value.Max(Math.Abs));
        foreach (int i in trainable)
            AssertClose($"fp32 gradient {i}", gradients[i]!, got[i]!.Values, 1e-4 * gradients[i]!.Max(Math.Abs));
    }

    private static void AssertClose(string what, double[] want, double[] got, double tolerance)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
            Assert.True(Math.Abs(want[i] - got[i]) <= tolerance, $"{what} at {i}: {got[i]:g12}, expected {want[i]:g12}");
    }

    // [batch, head, time, d] → [batch·time, head·d]
    private static double[] Rows(double[] x, int batch, int heads, int time, int d)
    {
        var y = new double[x.Length];
        for (int b = 0; b < batch; b++)
            for (int h = 0; h < heads; h++)
                for (int t = 0; t < time; t++)
                    Array.Copy(x, ((b * heads + h) * time + t) * d, y, ((b * time + t) * heads + h) * d, d);
        return y;
    }

    private void WithVectors(string name, Action<Dictionary<string, double[]>> check)
    {
        if (!Fixtures.Find(output, $"ops/{name}.safetensors", out string path))
            return;
        using var file = SafetensorsFile.Open(path);
        check(file.Tensors.Values.ToDictionary(t => t.Name, t => Read(file, t)));
    }

    private static double[] Read(SafetensorsFile file, TensorInfo info)
    {
        var bytes = new byte[info.ByteLength];
        file.Read(info.Name, 0, bytes);
        return info.DType switch
        {
            Formats.Numerics.DType.F64 => [.. Enumerable.Range(0, (int)info.Count).Select(i => BitConverter.ToDouble(bytes, 8 * i))],
            Formats.Numerics.DType.I64 => [.. Enumerable.Range(0, (int)info.Count).Select(i => (double)BitConverter.ToInt64(bytes, 8 * i))],
            _ => Array.ConvertAll(bytes, b => (double)b),
        };
    }
}
