using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>Attention's kernels for matrix units, which compute the same by plain loops on other devices, and its rows over a cache.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class AttentionKernelTests(KernelDevices devices, ITestOutputHelper output)
{
    /// <summary>Heads, key heads, channels, window (0: none), soft cap (0: none), lengths of sequences.</summary>
    public static TheoryData<string, int, int, int, int, float, int[]> Forms
    {
        get
        {
            var forms = new TheoryData<string, int, int, int, int, float, int[]>();
            foreach (string kind in new[] { "opencl", "cuda" })
            {
                forms.Add(kind, 2, 1, 16, 0, 0, [1, 15, 16, 17, 70]);
                forms.Add(kind, 4, 2, 64, 0, 0, [33, 2, 65, 130]);
                forms.Add(kind, 1, 1, 64, 20, 0, [128, 3]);
                forms.Add(kind, 2, 1, 128, 0, 0, [31, 70]);
                forms.Add(kind, 1, 1, 256, 40, 0, [50, 7]);
                forms.Add(kind, 2, 1, 16, 30, 1.5f, [15, 70]);
            }
            return forms;
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Matrix_units_give_the_cpus_values_and_gradients(string kind, int heads, int keyHeads, int d, int window, float cap, int[] lengths)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        var gpu = (KernelDevice)device;
        var form = new AttentionShape(heads, keyHeads, d, 1f / MathF.Sqrt(d), window == 0 ? null : window, cap);
        int[] starts = [0, .. lengths.Select((_, i) => lengths.Take(i + 1).Sum())];
        Shape wide = new(starts[^1], heads * d), narrow = new(starts[^1], keyHeads * d);
        float[] q = Draw(wide, 1), k = Draw(narrow, 2), v = Draw(narrow, 3), upstream = Draw(wide, 4);
        float[][] want = OnCpu(q, k, v, upstream, starts, form);
        using var tape = new Tape(gpu) { ActivationType = DType.BF16 };
        Tensor Put(Shape shape, float[] values)
        {
            Tensor tensor = tape.NewActivation(shape);
            tensor.WriteFloats(values);
            return tensor;
        }
        Tensor tq = Put(wide, q), tk = Put(narrow, k), tv = Put(narrow, v), tu = Put(wide, upstream), ts = tape.Upload(starts);
        Tensor o = tape.NewActivation(wide), lse = tape.New(new Shape(heads, starts[^1])), delta = tape.New(lse.Shape);
        Tensor dq = Put(wide, [.. Enumerable.Repeat(1f, q.Length)]), dk = tape.NewActivation(narrow), dv = tape.New(narrow, DType.BF16);
        AttentionNode.LaunchForward(gpu, tq, tk, tv, ts, o, lse, form, 0, true);
        AttentionNode.LaunchDelta(gpu, o, tu, delta, form);
        AttentionNode.LaunchQueryGradient(gpu, tq, tk, tv, ts, lse, delta, tu, dq, true, form, true);
        AttentionNode.LaunchKeyGradients(gpu, tq, tk, tv, ts, lse, delta, tu, dk, false, dv, false, form, true);
        AssertClose("o", want[0], o.ToArray());
        AssertClose("dq + 1", [.. want[1].Select(x => x + 1)], dq.ToArray());
        AssertClose("dk", want[2], dk.ToArray());
        AssertClose("dv", want[3], dv.ToArray());
    }

    [Theory]
    [InlineData("opencl", false)]
    [InlineData("opencl", true)]
    [InlineData("cuda", false)]
    [InlineData("cuda", true)]
    public void Rows_over_a_cache_are_those_of_the_whole(string kind, bool bf16)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        foreach ((int rows, int d, int? window, float cap, int[] passes) in new (int, int, int?, float, int[])[]
            { (5, 3, null, 0, [1, 4]), (300, 8, null, 0, [280, 8, 1, 1, 10]), (40, 64, 7, 0, [30, 3, 7]), (12, 256, null, 0, [8, 4]), (30, 2, 7, 1.5f, [20, 3, 7]) })
        {
            var form = new AttentionShape(4, 2, d, 1f / MathF.Sqrt(d), window, cap);
            using var tape = new Tape(device) { ActivationType = bf16 ? DType.BF16 : DType.F32 };
            Shape wide = new(rows, 4 * d), narrow = new(rows + 5, 2 * d);
            float[] q = Draw(wide, 1), k = Draw(narrow, 2), v = Draw(narrow, 3), zero = new float[q.Length];
            float[] want = OnCpu(q, k[..(rows * 2 * d)], v[..(rows * 2 * d)], zero, [0, rows], form)[0], got = new float[q.Length];
            Tensor keys = tape.NewActivation(narrow), values = tape.NewActivation(narrow);
            keys.WriteFloats(k);
            values.WriteFloats(v);
            int first = 0;
            foreach (int n in passes)
            {
                Tensor part = tape.NewActivation(new Shape(n, 4 * d));
                part.WriteFloats(q.AsSpan(first * 4 * d, n * 4 * d));
                Engine.Ops.CachedAttention(part, keys, values, first, form).ReadFloats(got.AsSpan(first * 4 * d, n * 4 * d));
                first += n;
            }
            Assert.Equal(rows, first);
            AssertClose($"{rows} rows of {d}", want, got, bf16 ? 1e-2 : 2e-5);
        }
    }

    // o, dq, dk and dv.
    private static float[][] OnCpu(float[] q, float[] k, float[] v, float[] upstream, int[] starts, AttentionShape form)
    {
        using var device = new CpuDevice(2);
        using var tape = new Tape(device) { Recording = true };
        Tensor Put(float[] values)
        {
            Tensor tensor = tape.New(new Shape(starts[^1], values.Length / starts[^1]));
            tensor.Upload<float>(values);
            tensor.NeedsGrad = true;
            return tensor;
        }
        Tensor tq = Put(q), tk = Put(k), tv = Put(v), up = Put(upstream);
        Tensor o = Engine.Ops.Attention(tq, tk, tv, tape.Upload(starts), form);
        float[] value = o.ToArray();
        tape.Backward(o, up);
        return [value, tq.Grad!.ToArray(), tk.Grad!.ToArray(), tv.Grad!.ToArray()];
    }

    // Values that are exact in bf16.
    private static float[] Draw(Shape shape, int seed)
    {
        var random = new Random(seed);
        var values = new float[shape.Count];
        foreach (ref float value in values.AsSpan())
            value = (float)(BFloat16)(random.NextSingle() * 4 - 2);
        return values;
    }

    // Weights and slopes are rounded to bf16 before they are multiplied, as results are.
    private static void AssertClose(string what, float[] want, float[] got, double tolerance = 1e-2)
    {
        double largest = want.Max(Math.Abs);
        for (int i = 0; i < want.Length; i++)
            Assert.True(Math.Abs(want[i] - got[i]) <= tolerance * largest, $"{what} at {i}: {got[i]}, expected {want[i]}; the largest is {largest}");
    }
}
