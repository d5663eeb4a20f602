using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.SelfTest;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>What the op cases cannot see of the pointwise ops: last places, extremes, and heads whose norm is clamped.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class MapTests(KernelDevices devices, ITestOutputHelper output)
{
    [Fact]
    public void Tanh_is_right_to_two_units_in_the_last_place()
    {
        double worst = 0;
        float at = 0;
        for (uint bits = 1; bits < BitConverter.SingleToUInt32Bits(12f); bits += 1237)
        {
            float x = BitConverter.UInt32BitsToSingle(bits), want = (float)Math.Tanh(x), y = Simd.Tanh(new Vector<float>(x))[0];
            Assert.Equal(-y, Simd.Tanh(new Vector<float>(-x))[0]);
            if (Vector512.IsHardwareAccelerated)
                Assert.Equal(y, Simd.Tanh(Vector512.Create(x))[0]);
            double unit = (double)MathF.BitIncrement(want) - want, error = Math.Abs(y - Math.Tanh(x)) / unit;
            (worst, at) = error > worst ? (error, x) : (worst, at);
        }
        output.WriteLine($"largest error {worst:f2} units, at {at}");
        Assert.InRange(worst, 0, 2);
        Assert.Equal(0f, Simd.Tanh(Vector<float>.Zero)[0]);
        foreach ((float x, float y) in new[] { (12f, 1f), (100f, 1f), (float.MaxValue, 1f), (float.PositiveInfinity, 1f), (float.NaN, float.NaN) })
        {
            Assert.Equal(y, Simd.Tanh(new Vector<float>(x))[0]);
            Assert.Equal(-y, Simd.Tanh(new Vector<float>(-x))[0]);
        }
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Extremes_give_neither_infinity_nor_nan(string kind) => On(kind, (tape, type) =>
    {
        float[] x = [-100, -60, -1, 0, 10, 60, 100, 1000, -1000];
        // Each with the limits of its values and what it is at 10.
        (string Name, Func<Tensor, Tensor, Tensor> Op, float Low, float High, double AtTen)[] maps =
        [
            ("tanh", (a, _) => Engine.Ops.Tanh(a), -1, 1, 1), ("sigmoid", (a, _) => Engine.Ops.Sigmoid(a), 0, 1, 0.9999546), ("sigmoid with bias", (a, b) => Engine.Ops.Sigmoid(a, b), 0, 1, 0.9999546),
            ("squared relu", (a, _) => Engine.Ops.SquaredRelu(a), 0, 1e6f, 100), ("log decay 7", Engine.Ops.LogDecay7, -0.60653067f, 0, -0.6065031), ("log decay 6", Engine.Ops.LogDecay6, float.MinValue, 0, -22026.466),
        ];
        foreach ((string name, Func<Tensor, Tensor, Tensor> op, float low, float high, double atTen) in maps)
        {
            Tensor a = Input(tape, type, new Shape(1, x.Length), x), b = Input(tape, DType.F32, new Shape(x.Length), new float[x.Length]);
            Tensor y = op(a, b), upstream = tape.New(y.Shape, y.DType);
            upstream.WriteFloats([.. Enumerable.Repeat(1f, x.Length)]);
            float[] values = y.ToArray();
            tape.Backward(y, upstream);
            Assert.All(values, v => Assert.True(v >= low && v <= high, $"{name}: {v}"));
            Assert.True(Math.Abs(values[4] - atTen) <= (type == DType.BF16 ? 4e-3 : 1e-6) * Math.Abs(atTen), $"{name} of 10 is {values[4]}");
            Assert.All(a.Grad!.ToArray(), v => Assert.True(float.IsFinite(v), $"{name}: gradient {v}"));
            if (b.Grad is not null)
                Assert.All(b.Grad.ToArray(), v => Assert.True(float.IsFinite(v), $"{name}: gradient of the bias {v}"));
            // Where a bounded map has reached its limit nothing is left to learn.
            if (high <= 1)
                Assert.All(a.Grad!.ToArray(), (v, i) => Assert.True(Math.Abs(x[i]) < 60 || name == "log decay 6" || Math.Abs(v) <= 1e-6f, $"{name}: slope {v} at {x[i]}"));
            Assert.Equal(0, values[0], name == "tanh" ? 1f : 1e-6f);
        }
    });

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void A_head_of_zeros_has_a_removal_key_of_zeros_and_no_gradient(string kind) => On(kind, (tape, type) =>
    {
        foreach (int n in (int[])[1, 8, 63, 64])
        {
            // Two rows of three heads: in the first row the middle head is 0, in the second the last one is far below the clamp.
            float[] k = [.. Enumerable.Range(0, 6 * n).Select(i => i / n == 1 ? 0f : i / n == 5 ? 1e-30f : 0.25f + i % 7)];
            Tensor keys = Input(tape, type, new Shape(2, 3 * n), k), kk = Input(tape, DType.F32, new Shape(1, 1, 3 * n), [.. Enumerable.Range(0, 3 * n).Select(i => i % 2 == 0 ? 0.5f : -2f)]);
            Tensor y = Engine.Ops.RemovalKey(keys, kk, 3), upstream = tape.New(y.Shape, y.DType);
            upstream.WriteFloats([.. Enumerable.Range(0, 6 * n).Select(i => i % 3 - 1.5f)]);
            float[] values = y.ToArray();
            tape.Backward(y, upstream);
            float[] dk = keys.Grad!.ToArray(), dkk = kk.Grad!.ToArray();
            Assert.All(values.Concat(dk).Concat(dkk), v => Assert.True(float.IsFinite(v)));
            for (int head = 0; head < 6; head++)
            {
                bool clamped = head is 1 or 5;
                Assert.Equal(clamped ? 0 : 1, Math.Sqrt(values.Skip(head * n).Take(n).Sum(v => (double)v * v)), type == DType.BF16 ? 4e-3 : 1e-6);
                Assert.Equal(clamped || n == 1, dk.Skip(head * n).Take(n).All(v => Math.Abs(v) <= (clamped ? 0 : 1e-6)));
            }
            // The middle head has a gradient from the second row, the last one from the first.
            Assert.Equal(n > 1, dkk.Skip(n).Take(n).Any(v => Math.Abs(v) > 1e-5));
        }
    });

    [Fact]
    public void Bits_do_not_depend_on_the_thread_count()
    {
        string[] names = ["sigmoid: [40,12] with bias", "log_decay7: [8300,4]", "removal_key: 600 rows, 2 heads of 4", "head_bonus: 600 rows, 2 heads of 4", "replacement_key: [900,4]", "value_mix: [900,4]"];
        OpCase[] cases = [.. OpCases.All.Where(c => names.Contains(c.ToString()))];
        Assert.Equal(names.Length, cases.Length);
        using CpuDevice one = new(1), three = new(3);
        foreach (OpCase op in cases)
        {
            var random = new Random(7);
            NdArray Draw(Shape shape) => new NdArray(shape).Map(_ => random.NextDouble() * 2 - 1);
            NdArray[] inputs = [.. op.Inputs.Select(Draw)];
            NdArray upstream = Draw(op.Inputs[0]);
            int[] trainable = [.. Enumerable.Range(0, inputs.Length)];
            NdArray?[] few = OpCheck.Compute(one, op, inputs, upstream, trainable, true, DType.F32, out NdArray y), many = OpCheck.Compute(three, op, inputs, upstream, trainable, true, DType.F32, out NdArray again);
            Assert.Equal(y.Values, again.Values);
            foreach (int i in trainable)
                Assert.Equal(few[i]!.Values, many[i]!.Values);
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_named()
    {
        using var device = new CpuDevice(1);
        using var tape = new Tape(device);
        Tensor x = tape.New(new Shape(2, 6)), w = tape.New(new Shape(5)), u = tape.New(new Shape(2, 3));
        Assert.Contains("log_decay7: bias is F32[5], 6 elements are needed", Error(() => Engine.Ops.LogDecay7(x, w)), StringComparison.Ordinal);
        Assert.Contains("4 heads do not divide", Error(() => Engine.Ops.RemovalKey(x, u, 4)), StringComparison.Ordinal);
        Assert.Contains("0 heads do not divide", Error(() => Engine.Ops.HeadBonus(x, x, x, u, x, 0)), StringComparison.Ordinal);
        Assert.Contains("the shapes differ: F32[2,6] and F32[5]", Error(() => Engine.Ops.Multiply(x, w)), StringComparison.Ordinal);
        Assert.Contains("ka is F32[5]", Error(() => Engine.Ops.ReplacementKey(x, x, w)), StringComparison.Ordinal);
        Assert.Contains("v0 is F32[5]", Error(() => Engine.Ops.ValueMix(x, x, x, w)), StringComparison.Ordinal);
    }

    [Fact]
    public void Backward_keeps_only_what_it_reads()
    {
        using var device = new CpuDevice(1);
        using var tape = new Tape(device) { Recording = true };
        Tensor x = tape.New(new Shape(64, 64)), y = tape.New(new Shape(64, 64)), u = tape.New(new Shape(64));
        foreach (Tensor t in (Tensor[])[x, y, u])
            t.Clear();
        x.NeedsGrad = true;
        long before = device.LiveBytes;
        int scope = tape.Open();
        // One side of the product is frozen, so it alone is kept; the frozen side of the bonus is only added to.
        Tensor kept = Engine.Ops.Multiply(Engine.Ops.Add(x, x), y);
        tape.Close(scope, kept);
        Assert.Equal(before + kept.Bytes, device.LiveBytes);
        scope = tape.Open();
        Tensor sum = tape.Close(scope, Engine.Ops.HeadBonus(kept, y, y, u, y, 1));
        Assert.Equal(before + kept.Bytes + sum.Bytes, device.LiveBytes);
    }

    private static string Error(Func<Tensor> op)
    {
        var error = Assert.Throws<MarrowException>(() => op());
        Assert.Equal("E104", error.Code);
        return error.Message;
    }

    private static Tensor Input(Tape tape, DType type, Shape shape, float[] values)
    {
        Tensor tensor = tape.New(shape, type);
        tensor.WriteFloats(values);
        tensor.NeedsGrad = true;
        return tensor;
    }

    private void On(string kind, Action<Tape, DType> check)
    {
        using CpuDevice? cpu = kind == "cpu" ? new CpuDevice(2) : null;
        Device device = cpu!;
        if (cpu is null && !devices.Find(output, kind, out device))
            return;
        foreach (DType type in device is KernelDevice ? (DType[])[DType.F32, DType.BF16] : [DType.F32])
        {
            using var tape = new Tape(device) { Recording = true, ActivationType = type };
            check(tape, type);
        }
    }
}
