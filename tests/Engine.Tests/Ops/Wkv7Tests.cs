using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>What the rows of op cases do not say about RWKV-7's operator: golden vectors, sequences beside each other, states handed on, equal bits.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class Wkv7Tests(KernelDevices devices, ITestOutputHelper output)
{
    private static readonly string[] Names = ["r", "logDecay", "k", "v", "a", "b", "initial"];

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Golden_vectors(string kind)
    {
        if (!devices.Find(output, kind, out Device device) || !Fixtures.Find(output, "ops/wkv7.safetensors", out string path))
            return;
        using var file = SafetensorsFile.Open(path);
        Dictionary<string, double[]> v = file.Tensors.Values.ToDictionary(t => t.Name, t => Doubles(file, t.Name));
        // The file's w is raw: logDecay = −exp(w), and the gradient of w is that of logDecay times logDecay.
        double[] logDecay = [.. v["in.w"].Select(w => -Math.Exp(w))];
        double[] GradientOfLog(string key) => [.. v[key].Zip(logDecay, (g, l) => g / l)];
        double[][] inputs = [v["in.r"], logDecay, v["in.k"], v["in.v"], v["in.a"], v["in.b"], v["in.s0"]];
        Shape x = new(80, 32), state = new(2, 2, 16, 16);
        NdArray[] arrays = [.. inputs.Select((values, i) => new NdArray(i < 6 ? x : state, values))];
        NdArray reference = Wkv7Node.Reference(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], [0, 40, 80], 2, arrays[6], out NdArray last);
        Close("reference y", v["out.y"], reference.Values, 1e-10);
        Close("reference final", v["out.final_state"], last.Values, 1e-10);
        foreach ((string prefix, double[]? upFinal) in new[] { ("grad", v["up.final_state"]), ("grad_y_only", (double[]?)null) })
        {
            Result got = Compute(device, Floats(inputs), [0, 40, 80], 2, state, Float(v["up.y"]), upFinal is null ? null : Float(upFinal));
            Close("y", v["out.y"], Wide(got.Y), 1e-5);
            Close("final", v["out.final_state"], Wide(got.Final), 1e-5);
            for (int i = 0; i < Names.Length; i++)
                Close($"{prefix} {Names[i]}", i == 1 ? GradientOfLog($"{prefix}.w") : v[$"{prefix}.{(i == 6 ? "s0" : Names[i])}"], Wide(got.Gradients[i]!), 1e-5);
        }
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Sequences_beside_each_other_equal_each_alone(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        const int heads = 2, n = 16, width = heads * n, size = heads * n * n;
        int[] starts = [0, 1, 16, 16, 32, 49, 86];
        var random = new Random(5);
        float[][] inputs = Draw(random, 86, heads, n, 6);
        float[] upY = Draw(random, 86 * width), upFinal = Draw(random, 6 * size);
        Result all = Compute(device, inputs, starts, heads, new Shape(6, heads, n, n), upY, upFinal);
        float[][] shared = [.. inputs];
        shared[6] = inputs[6][..size];
        Result same = Compute(device, shared, starts, heads, new Shape(heads, n, n), upY, upFinal);
        var sum = new double[size];
        for (int s = 0; s < 6; s++)
        {
            int from = starts[s] * width, to = starts[s + 1] * width;
            if (from == to)
            {
                Assert.Equal(inputs[6][(s * size)..((s + 1) * size)], all.Final[(s * size)..((s + 1) * size)]);
                Assert.Equal(upFinal[(s * size)..((s + 1) * size)], all.Gradients[6]![(s * size)..((s + 1) * size)]);
                sum = [.. sum.Zip(upFinal[(s * size)..((s + 1) * size)], (p, q) => p + q)];
                continue;
            }
            float[] Of(float[] x) => x[from..to];
            float[] StateOf(float[] x) => x[(s * size)..((s + 1) * size)];
            Result alone = Compute(device, [.. inputs.Take(6).Select(Of), StateOf(inputs[6])], [0, starts[s + 1] - starts[s]], heads, new Shape(1, heads, n, n), Of(upY), StateOf(upFinal));
            Assert.Equal(alone.Y, Of(all.Y));
            Assert.Equal(alone.Final, StateOf(all.Final));
            for (int i = 0; i < 6; i++)
                Assert.Equal(alone.Gradients[i], Of(all.Gradients[i]!));
            Assert.Equal(alone.Gradients[6], StateOf(all.Gradients[6]!));
            alone = Compute(device, [.. inputs.Take(6).Select(Of), shared[6]], [0, starts[s + 1] - starts[s]], heads, new Shape(1, heads, n, n), Of(upY), StateOf(upFinal));
            Assert.Equal(alone.Y, Of(same.Y));
            sum = [.. sum.Zip(alone.Gradients[6]!, (p, q) => p + q)];
        }
        Close("gradient of the shared state", sum, Wide(same.Gradients[6]!), 1e-6);
    }

    [Theory]
    [InlineData("cpu", 16)]
    [InlineData("cpu", 21)]
    [InlineData("opencl", 21)]
    [InlineData("cuda", 21)]
    public void A_sequence_in_two_calls_equals_one(string kind, int first)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        const int heads = 2, n = 8, tokens = 53;
        var random = new Random(6);
        float[][] inputs = Draw(random, tokens, heads, n, 1);
        Shape state = new(1, heads, n, n);
        Result whole = Compute(device, inputs, [0, tokens], heads, state, Draw(random, tokens * heads * n), null);
        int cut = first * heads * n;
        Result head = Compute(device, [.. inputs.Take(6).Select(x => x[..cut]), inputs[6]], [0, first], heads, state, new float[cut], null);
        Result tail = Compute(device, [.. inputs.Take(6).Select(x => x[cut..]), head.Final], [0, tokens - first], heads, state, new float[tokens * heads * n - cut], null);
        Assert.Equal(whole.Y, head.Y.Concat(tail.Y));
        Assert.Equal(whole.Final, tail.Final);
    }

    [Theory]
    [InlineData(-1e-6f, 64)]
    [InlineData(-0.6065307f, 64)]
    [InlineData(-0.6065307f, 24)]
    [InlineData(-20f, 64)]
    [InlineData(-1000f, 16)]
    public void Extreme_decays(float logDecay, int n)
    {
        const int heads = 1, tokens = 100;
        using var device = new CpuDevice(2);
        var random = new Random(7);
        float[][] inputs = Draw(random, tokens, heads, n, 1);
        inputs[1].AsSpan().Fill(logDecay);
        NdArray[] arrays = [.. inputs.Select((x, i) => new NdArray(i < 6 ? new(tokens, n) : new(1, 1, n, n), Wide(x)))];
        NdArray y = Wkv7Node.Reference(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], [0, tokens], 1, arrays[6], out NdArray last);
        Result got = Compute(device, inputs, [0, tokens], heads, new Shape(1, 1, n, n), Draw(random, tokens * n), null);
        Close("y", y.Values, Wide(got.Y), 1e-5);
        Close("final", last.Values, Wide(got.Final), 1e-5);
        Assert.All(got.Gradients, g => Assert.All(g!, value => Assert.True(float.IsFinite(value))));
    }

    [Theory]
    [InlineData(1, 64)]
    [InlineData(1, 100)]
    [InlineData(3, 128)]
    [InlineData(9, 16)]
    public void Threads_do_not_change_a_bit(int heads, int n)
    {
        var random = new Random(8);
        int[] starts = [0, 40, 40, 71];
        float[][] inputs = Draw(random, 71, heads, n, 3);
        inputs[6] = inputs[6][..(heads * n * n)];
        float[] up = Draw(random, 71 * heads * n), upFinal = Draw(random, 3 * heads * n * n);
        Result[] results = [.. new[] { 1, 2, 5 }.Select(threads =>
        {
            using var device = new CpuDevice(threads);
            return Compute(device, inputs, starts, heads, new Shape(heads, n, n), up, upFinal);
        })];
        foreach (Result other in results[1..])
        {
            Assert.Equal(results[0].Y, other.Y);
            Assert.Equal(results[0].Final, other.Final);
            for (int i = 0; i < Names.Length; i++)
                Assert.Equal(results[0].Gradients[i], other.Gradients[i]);
        }
    }

    [Fact]
    public void Only_the_gradients_asked_for_are_made()
    {
        using var device = new CpuDevice(2);
        var random = new Random(9);
        float[][] inputs = Draw(random, 20, 2, 8, 1);
        float[] up = Draw(random, 20 * 16);
        Result all = Compute(device, inputs, [0, 20], 2, new Shape(1, 2, 8, 8), up, null);
        Result state = Compute(device, inputs, [0, 20], 2, new Shape(1, 2, 8, 8), up, null, 6);
        Assert.Equal(all.Gradients[6], state.Gradients[6]);
        Assert.All(state.Gradients[..6], Assert.Null);
        Result value = Compute(device, inputs, [0, 20], 2, new Shape(1, 2, 8, 8), up, null, 3);
        Assert.Equal(all.Gradients[3], value.Gradients[3]);
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var device = new CpuDevice(1);
        using var tape = new Tape(device);
        Tensor x = tape.Zeros(new Shape(4, 16)), short3 = tape.Zeros(new Shape(3, 16)), state = tape.Zeros(new Shape(2, 8, 4));
        string Message(Func<Tensor> run)
        {
            var error = Assert.Throws<MarrowException>(run);
            Assert.Equal("E104", error.Code);
            return error.Message;
        }
        Assert.Contains("k is F32[3,16], shape [4,16] is needed", Message(() => Engine.Ops.Wkv7(x, x, short3, x, x, x, tape.Upload([0, 4]), 2)), StringComparison.Ordinal);
        Assert.Contains("3 heads do not divide", Message(() => Engine.Ops.Wkv7(x, x, x, x, x, x, tape.Upload([0, 4]), 3)), StringComparison.Ordinal);
        Assert.Contains("must rise from 0 to the 4 rows", Message(() => Engine.Ops.Wkv7(x, x, x, x, x, x, tape.Upload([0, 3]), 2)), StringComparison.Ordinal);
        Assert.Contains("must rise from 0 to the 4 rows", Message(() => Engine.Ops.Wkv7(x, x, x, x, x, x, tape.Upload([0, 2, 1, 4]), 2)), StringComparison.Ordinal);
        Assert.Contains("initial is F32[2,8,4], shape [2,8,8] or [1,2,8,8] is needed", Message(() => Engine.Ops.Wkv7(x, x, x, x, x, x, tape.Upload([0, 4]), 2, state)), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_kept_where_nothing_is_recorded_and_nothing_allocated_where_it_is()
    {
        using var device = new CpuDevice(2);
        using var tape = new Tape(device);
        Tensor Step(bool recording)
        {
            tape.Clear();
            tape.Recording = recording;
            Tensor x = tape.Zeros(new Shape(50, 128));
            x.NeedsGrad = true;
            return Engine.Ops.Wkv7(x, x, x, x, x, x, tape.Upload([0, 20, 50]), 2, null, out _);
        }
        Step(false);
        long without = device.LiveBytes;
        Tensor y = Step(true);
        // States and sa; buffers come in round sizes.
        long kept = ((50 / 16 + 2) * 2 * 64 * 64 + 50 * 128) * sizeof(float);
        Assert.InRange(device.LiveBytes - without, kept, kept + kept / 50);
        Tensor dy = tape.Zeros(y.Shape);
        tape.Backward(y, dy);
        for (int i = 0; i < 3; i++)
            Again();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Again();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Again()
        {
            Tensor result = Step(true);
            tape.Backward(result, tape.Zeros(result.Shape));
        }
    }

    private sealed record Result(float[] Y, float[] Final, float[]?[] Gradients);

    // only: the one input that needs a gradient; all of them without
    private static Result Compute(Device device, float[][] inputs, int[] starts, int heads, Shape initial, float[] upY, float[]? upFinal, int? only = null)
    {
        using var tape = new Tape(device) { Recording = true };
        Tensor[] t = [.. inputs.Select((values, i) =>
        {
            Tensor input = tape.New(i < 6 ? new Shape(starts[^1], values.Length / starts[^1]) : initial);
            input.Upload<float>(values);
            input.NeedsGrad = only is null || only == i;
            return input;
        })];
        Tensor y = Engine.Ops.Wkv7(t[0], t[1], t[2], t[3], t[4], t[5], tape.Upload(starts), heads, t[6], out Tensor final);
        float[] values = y.ToArray(), last = final.ToArray();
        Tensor dy = tape.New(y.Shape);
        dy.Upload<float>(upY);
        if (upFinal is not null)
        {
            Tensor dfinal = tape.New(final.Shape);
            dfinal.Upload<float>(upFinal);
            tape.PassGrad(final, dfinal);
        }
        tape.Backward(y, dy);
        return new Result(values, last, [.. t.Select(input => input.Grad?.ToArray())]);
    }

    // What RWKV-7 feeds the operator: decays of its range, a = −k̂, b = k̂·rate.
    private static float[][] Draw(Random random, int tokens, int heads, int n, int states)
    {
        int width = heads * n;
        float[] r = Draw(random, tokens * width), k = Draw(random, tokens * width), v = Draw(random, tokens * width), a = Draw(random, tokens * width);
        for (int head = 0; head < a.Length; head += n)
        {
            Span<float> part = a.AsSpan(head, n);
            float norm = MathF.Sqrt(part.ToArray().Sum(x => x * x));
            foreach (ref float x in part)
                x /= -norm;
        }
        return [r, Draw(random, tokens * width, x => -0.6f * (x + 1) / 2), k, v, a, [.. a.Select(x => -x * random.NextSingle())], Draw(random, states * heads * n * n)];
    }

    private static float[] Draw(Random random, int count, Func<float, float>? map = null) =>
        [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1).Select(x => map is null ? x : map(x))];

    private static float[] Float(double[] x) => Array.ConvertAll(x, v => (float)v);

    private static float[][] Floats(double[][] x) => Array.ConvertAll(x, Float);

    private static double[] Wide(float[] x) => Array.ConvertAll(x, v => (double)v);

    private static double[] Doubles(SafetensorsFile file, string name)
    {
        var values = new double[file.Tensors[name].Count];
        file.Read(name, 0, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    private void Close(string what, double[] want, double[] got, double tolerance)
    {
        Assert.Equal(want.Length, got.Length);
        double largest = want.Max(Math.Abs), worst = want.Zip(got, (p, q) => Math.Abs(p - q)).Max();
        output.WriteLine($"{what}: {worst / largest:e2} of the largest value");
        Assert.True(worst <= tolerance * largest, $"{what} is off by {worst:g6}, its largest value is {largest:g6}");
    }
}
