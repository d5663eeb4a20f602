using System.Runtime.InteropServices;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>What the rows of op cases do not say about RWKV-6's operator: golden vectors, extreme decays, sequences beside each other, states handed on, equal bits.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class Wkv6Tests(KernelDevices devices, ITestOutputHelper output)
{
    private static readonly string[] Names = ["r", "logDecay", "k", "v", "u", "initial"];

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Golden_vectors(string kind)
    {
        if (!devices.Find(output, kind, out Device device) || !Fixtures.Find(output, "ops/wkv6.safetensors", out string path))
            return;
        using var file = SafetensorsFile.Open(path);
        Dictionary<string, double[]> v = file.Tensors.Values.ToDictionary(t => t.Name, t => Doubles(file, t.Name));
        // The file's w is raw: logDecay = −exp(w), and the gradient of w is that of logDecay times logDecay.
        double[] logDecay = [.. v["in.w"].Select(w => -Math.Exp(w))];
        double[][] inputs = [v["in.r"], logDecay, v["in.k"], v["in.v"], v["in.u"], v["in.s0"]];
        Shape state = new(2, 2, 16, 16);
        NdArray reference = Reference(inputs, [0, 40, 80], 2, state, out NdArray last);
        Close("reference y", v["out.y"], reference.Values, 1e-10);
        Close("reference final", v["out.final_state"], last.Values, 1e-10);
        foreach ((string prefix, float[]? upFinal) in new[] { ("grad", Narrow(v["up.final_state"])), ("grad_y_only", null) })
        {
            Result got = Compute(device, [.. inputs.Select(Narrow)], [0, 40, 80], 2, state, Narrow(v["up.y"]), upFinal);
            Close("y", v["out.y"], Wide(got.Y), 1e-5);
            Close("final", v["out.final_state"], Wide(got.Final), 1e-5);
            for (int i = 0; i < Names.Length; i++)
            {
                double[] want = v[$"{prefix}.{i switch { 1 => "w", 5 => "s0", _ => Names[i] }}"];
                Close($"{prefix} {Names[i]}", i == 1 ? [.. want.Zip(logDecay, (g, l) => g / l)] : want, Wide(got.Gradients[i]!), 1e-5);
            }
        }
    }

    [Theory]
    [InlineData("cpu", -1e-7f)]
    [InlineData("cpu", -1e-4f)]
    [InlineData("cpu", -50f)]
    [InlineData("cpu", -1e4f)]
    [InlineData("cpu", null)]
    [InlineData("opencl", -1e-4f)]
    [InlineData("opencl", -50f)]
    [InlineData("opencl", -1e4f)]
    [InlineData("opencl", null)]
    [InlineData("cuda", null)]
    public void Extreme_decays(string kind, float? decay)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        const int heads = 2, n = 16, tokens = 37;
        var random = new Random(7);
        float[][] inputs = Draw(random, tokens, heads, n, 1);
        float[] mixed = [-1e-7f, -1e-4f, -0.5f, -8f, -50f, -1e4f];
        foreach (ref float l in inputs[1].AsSpan())
            l = decay ?? mixed[random.Next(mixed.Length)];
        float[] upY = Draw(random, tokens * heads * n), upFinal = Draw(random, heads * n * n);
        double[][] wide = [.. inputs.Select(Wide)];
        Shape state = new(1, heads, n, n);
        NdArray y = Reference(wide, [0, tokens], heads, state, out NdArray last);
        Result got = Compute(device, inputs, [0, tokens], heads, state, upY, upFinal);
        Close("y", y.Values, Wide(got.Y), 1e-5);
        Close("final", last.Values, Wide(got.Final), 1e-5);
        double[][] gradients = Gradients(wide, tokens, heads, n, Wide(upY), Wide(upFinal));
        for (int i = 0; i < Names.Length; i++)
            Close(Names[i], gradients[i], Wide(got.Gradients[i]!), 1e-5);
        // A decay that forgets all at once has no slope: −1e4·exp(−1e4), whatever the factor of the model's exponent.
        Assert.All(inputs[1].Zip(got.Gradients[1]!), p => Assert.True(p.First > -1e3f || p.Second == 0));
    }

    [Theory]
    [InlineData("cpu", 8)]
    [InlineData("cpu", 16)]
    [InlineData("cpu", 24)]
    [InlineData("cpu", 32)]
    [InlineData("cpu", 64)]
    [InlineData("cpu", 80)]
    [InlineData("opencl", 16)]
    [InlineData("cuda", 64)]
    public void Sequences_beside_each_other_equal_each_alone(string kind, int n)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        const int heads = 2;
        int width = heads * n, size = heads * n * n;
        int[] starts = [0, 1, 16, 16, 32, 49, 86];
        var random = new Random(5);
        float[][] inputs = Draw(random, 86, heads, n, 6);
        float[] upY = Draw(random, 86 * width), upFinal = Draw(random, 6 * size);
        Result each = Compute(device, inputs, starts, heads, new Shape(6, heads, n, n), upY, upFinal);
        float[][] shared = [.. inputs[..5], inputs[5][..size]];
        Result same = Compute(device, shared, starts, heads, new Shape(heads, n, n), upY, upFinal);
        double[] sum = new double[size], bonus = new double[width];
        for (int s = 0; s < 6; s++)
        {
            int from = starts[s] * width, to = starts[s + 1] * width;
            float[] StateOf(float[] x) => x[(s * size)..((s + 1) * size)];
            if (from == to)
            {
                Assert.Equal(StateOf(inputs[5]), StateOf(each.Final));
                Assert.Equal(StateOf(upFinal), StateOf(each.Gradients[5]!));
                sum = [.. sum.Zip(StateOf(upFinal), (p, q) => p + q)];
                continue;
            }
            float[] Of(float[] x) => x[from..to];
            int[] whole = [0, starts[s + 1] - starts[s]];
            Result alone = Compute(device, [.. inputs[..4].Select(Of), inputs[4], StateOf(inputs[5])], whole, heads, new Shape(1, heads, n, n), Of(upY), StateOf(upFinal));
            Assert.Equal(alone.Y, Of(each.Y));
            Assert.Equal(alone.Final, StateOf(each.Final));
            for (int i = 0; i < 4; i++)
                Assert.Equal(alone.Gradients[i], Of(each.Gradients[i]!));
            Assert.Equal(alone.Gradients[5], StateOf(each.Gradients[5]!));
            bonus = [.. bonus.Zip(alone.Gradients[4]!, (p, q) => p + q)];
            alone = Compute(device, [.. inputs[..4].Select(Of), inputs[4], shared[5]], whole, heads, new Shape(heads, n, n), Of(upY), StateOf(upFinal));
            Assert.Equal(alone.Y, Of(same.Y));
            sum = [.. sum.Zip(alone.Gradients[5]!, (p, q) => p + q)];
        }
        Close("gradient of the shared state", sum, Wide(same.Gradients[5]!), 1e-6);
        Close("gradient of u", bonus, Wide(each.Gradients[4]!), 1e-6);
    }

    [Theory]
    [InlineData("cpu", 16)]
    [InlineData("cpu", 21)]
    [InlineData("opencl", 16)]
    [InlineData("opencl", 21)]
    [InlineData("cuda", 21)]
    public void A_sequence_in_two_calls_equals_one(string kind, int first)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        const int heads = 2, n = 16, tokens = 53;
        var random = new Random(6);
        float[][] inputs = Draw(random, tokens, heads, n, 1);
        Shape state = new(1, heads, n, n);
        int cut = first * heads * n;
        Result whole = Compute(device, inputs, [0, tokens], heads, state, new float[inputs[0].Length], null);
        Result head = Compute(device, [.. inputs[..4].Select(x => x[..cut]), .. inputs[4..]], [0, first], heads, state, new float[cut], null);
        Result tail = Compute(device, [.. inputs[..4].Select(x => x[cut..]), inputs[4], head.Final], [0, tokens - first], heads, state, new float[inputs[0].Length - cut], null);
        Close("y", Wide(whole.Y), Wide([.. head.Y, .. tail.Y]), 2e-6);
        Close("final", Wide(whole.Final), Wide(tail.Final), 2e-6);
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
        float[][] inputs = Draw(random, 71, heads, n, 1);
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
            Assert.Equal(results[0].Gradients, other.Gradients);
        }
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    public void Only_the_gradients_asked_for_are_made(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        var random = new Random(9);
        float[][] inputs = Draw(random, 20, 2, 16, 1);
        float[] up = Draw(random, 20 * 32);
        Shape state = new(1, 2, 16, 16);
        Result all = Compute(device, inputs, [0, 20], 2, state, up, null);
        for (int i = 0; i < Names.Length; i++)
        {
            Result one = Compute(device, inputs, [0, 20], 2, state, up, null, i);
            Assert.Equal(all.Gradients[i], one.Gradients[i]);
            Assert.Equal(1, one.Gradients.Count(g => g is not null));
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var device = new CpuDevice(1);
        using var tape = new Tape(device);
        Tensor x = tape.Zeros(new Shape(4, 16)), few = tape.Zeros(new Shape(3, 16)), u = tape.Zeros(new Shape(2, 8)), state = tape.Zeros(new Shape(2, 8, 4));
        string Message(Tensor k, Tensor bonus, int[] starts, int heads, Tensor? initial = null)
        {
            var error = Assert.Throws<MarrowException>(() => Engine.Ops.Wkv6(x, x, k, x, bonus, tape.Upload(starts), heads, initial));
            Assert.Equal("E104", error.Code);
            return error.Message;
        }
        Assert.Contains("k is F32[3,16], shape [4,16] is needed", Message(few, u, [0, 4], 2), StringComparison.Ordinal);
        Assert.Contains("3 heads do not divide", Message(x, u, [0, 4], 3), StringComparison.Ordinal);
        Assert.Contains("u is F32[4,16], shape [2,8] is needed", Message(x, x, [0, 4], 2), StringComparison.Ordinal);
        Assert.Contains("must rise from 0 to the 4 rows", Message(x, u, [0, 3], 2), StringComparison.Ordinal);
        Assert.Contains("must rise from 0 to the 4 rows", Message(x, u, [0, 2, 1, 4], 2), StringComparison.Ordinal);
        Assert.Contains("initial is F32[2,8,4], shape [2,8,8] or [1,2,8,8] is needed", Message(x, u, [0, 4], 2, state), StringComparison.Ordinal);
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
            return Engine.Ops.Wkv6(x, x, x, x, tape.Zeros(new Shape(2, 64)), tape.Upload([0, 20, 50]), 2, null, out _);
        }
        Step(false);
        long without = device.LiveBytes;
        Step(true);
        // Room for a state every 16 tokens and one more for each sequence; buffers come in round sizes.
        long kept = (50 / 16 + 2) * 2 * 64 * 64 * sizeof(float);
        Assert.InRange(device.LiveBytes - without, kept, kept + kept / 50);
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
        Tensor Put(Shape shape, float[] values)
        {
            Tensor tensor = tape.New(shape);
            tensor.Upload<float>(values);
            return tensor;
        }
        Shape x = new(starts[^1], inputs[0].Length / starts[^1]);
        Tensor[] t = [.. inputs.Select((values, i) => Put(i < 4 ? x : i == 4 ? new Shape(heads, x.Last / heads) : initial, values))];
        for (int i = 0; i < t.Length; i++)
            t[i].NeedsGrad = only is null || only == i;
        Tensor y = Engine.Ops.Wkv6(t[0], t[1], t[2], t[3], t[4], tape.Upload(starts), heads, t[5], out Tensor final);
        float[] values = y.ToArray(), last = final.ToArray();
        if (upFinal is not null)
            tape.PassGrad(final, Put(final.Shape, upFinal));
        tape.Backward(y, Put(y.Shape, upY));
        return new Result(values, last, [.. t.Select(input => input.Grad?.ToArray())]);
    }

    private static NdArray Reference(double[][] inputs, int[] starts, int heads, Shape initial, out NdArray final)
    {
        Shape x = new(starts[^1], inputs[0].Length / starts[^1]);
        NdArray[] a = [.. inputs.Select((values, i) => new NdArray(i < 4 ? x : i == 4 ? new Shape(heads, x.Last / heads) : initial, values))];
        return Wkv6Node.Reference(a[0], a[1], a[2], a[3], a[4], starts, heads, a[5], out final);
    }

    // The gradients of one sequence in double, by spec/architectures.md §5.4 with all states kept: differences see nothing of slopes beside others 1e20 times as large.
    private static double[][] Gradients(double[][] x, int tokens, int heads, int n, double[] dy, double[] dfinal)
    {
        double[][] d = [.. x.Select(values => new double[values.Length])];
        for (int h = 0; h < heads; h++)
        {
            int size = n * n, c = heads * n;
            var states = new double[tokens + 1][];
            states[0] = x[5][(h * size)..((h + 1) * size)];
            for (int t = 0; t < tokens; t++)
            {
                states[t + 1] = new double[size];
                for (int i = 0; i < n; i++)
                    for (int j = 0; j < n; j++)
                        states[t + 1][i * n + j] = states[t][i * n + j] * Math.Exp(x[1][t * c + h * n + j]) + x[3][t * c + h * n + i] * x[2][t * c + h * n + j];
            }
            double[] g = dfinal[(h * size)..((h + 1) * size)];
            for (int t = tokens - 1; t >= 0; t--)
            {
                for (int i = 0; i < n; i++)
                {
                    for (int j = 0; j < n; j++)
                    {
                        int row = t * c + h * n + i, key = t * c + h * n + j, bonus = h * n + j, at = i * n + j;
                        double p = states[t][at], r = x[0][key], w = Math.Exp(x[1][key]), k = x[2][key], v = x[3][row], u = x[4][bonus];
                        d[0][key] += (p + u * k * v) * dy[row];
                        d[1][key] += g[at] * p * w;
                        d[2][key] += g[at] * v + u * r * v * dy[row];
                        d[3][row] += g[at] * k + u * r * k * dy[row];
                        d[4][bonus] += r * k * v * dy[row];
                        g[at] = g[at] * w + dy[row] * r;
                    }
                }
            }
            g.CopyTo(d[5], h * size);
        }
        return d;
    }

    private static float[][] Draw(Random random, int tokens, int heads, int n, int states)
    {
        int x = tokens * heads * n;
        return [Draw(random, x), [.. Draw(random, x).Select(w => -MathF.Exp(2 * w - 1))], Draw(random, x), Draw(random, x), Draw(random, heads * n), Draw(random, states * heads * n * n)];
    }

    private static float[] Draw(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];

    private static float[] Narrow(double[] x) => Array.ConvertAll(x, v => (float)v);

    private static double[] Wide(float[] x) => Array.ConvertAll(x, v => (double)v);

    private static double[] Doubles(SafetensorsFile file, string name)
    {
        var values = new double[file.Tensors[name].Count];
        file.Read(name, 0, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    private void Close(string what, double[] want, double[] got, double tolerance)
    {
        Assert.Equal(want.Length, got.Length);
        double largest = want.Max(Math.Abs), worst = want.Zip(got, (p, q) => Math.Abs(p - q)).Max();
        output.WriteLine($"{what}: {worst:e2}, the largest value is {largest:e2}");
        Assert.True(worst <= tolerance * largest, $"{what} is off by {worst:g6}, its largest value is {largest:g6}");
    }
}
