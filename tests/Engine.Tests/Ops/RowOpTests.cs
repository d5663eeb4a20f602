using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>LayerNorm, TokenMix, KeepLast and Product beyond their op cases: segments, refusals, threads, allocation.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class RowOpTests(KernelDevices devices, ITestOutputHelper output)
{
    private const int Channels = 37;

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Segments_give_the_bits_of_whole_sequences(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        // Sequences of 5, 2, 1 and 6 rows, in segments of three rows at most: some are over before others.
        int[] lengths = [5, 2, 1, 6], starts = [0, 5, 7, 8, 14];
        float[] z = Values(14 * Channels, 1), mu = Values(Channels, 2);
        using var tape = new Tape(device);
        using Tensor factors = Tensor.Of(device, new Shape(1, 1, Channels), mu), state = new(device, new Shape(4, Channels));
        Tensor all = tape.New(new Shape(14, Channels));
        all.WriteFloats(z);
        float[] whole = Engine.Ops.TokenMix(all, factors, tape.Upload(starts), null).ToArray();
        var seen = new float[whole.Length];
        for (int first = 0; first < 6; first += 3)
        {
            int[] counts = [.. lengths.Select(length => Math.Clamp(length - first, 0, 3))];
            int[] segmentStarts = [0, .. counts.Select((_, s) => counts.Take(s + 1).Sum())];
            int[] rows = [.. counts.SelectMany((count, s) => Enumerable.Range(starts[s] + first, count))];
            Tensor segment = tape.New(new Shape(rows.Length, Channels)), at = tape.Upload(segmentStarts);
            segment.WriteFloats([.. rows.SelectMany(row => z.AsSpan(row * Channels, Channels).ToArray())]);
            Tensor? previous = first == 0 ? null : state;
            float[] mixed = Engine.Ops.TokenMix(segment, factors, at, previous).ToArray();
            for (int i = 0; i < rows.Length; i++)
                mixed.AsSpan(i * Channels, Channels).CopyTo(seen.AsSpan(rows[i] * Channels));
            Engine.Ops.KeepLast(segment, at, previous, state);
        }
        Assert.Equal(whole, seen);
        float[] last = state.ToArray();
        for (int s = 0; s < lengths.Length; s++)
            Assert.Equal(z.AsSpan((starts[s + 1] - 1) * Channels, Channels), last.AsSpan(s * Channels, Channels));
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void No_rows_at_all_give_no_gradient(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        using var tape = new Tape(device) { Recording = true };
        Tensor z = tape.New(new Shape(0, 8)), starts = tape.Upload([0, 0, 0]), next = tape.New(new Shape(2, 8));
        Tensor mu = Ones(tape, new Shape(8)), w = Ones(tape, new Shape(8)), b = Ones(tape, new Shape(8)), matrix = Ones(tape, new Shape(2, 4, 3));
        Tensor mixed = Engine.Ops.TokenMix(z, mu, starts, null);
        Tensor y = Engine.Ops.Product(Engine.Ops.LayerNorm(mixed, w, b, 1e-5f, 2), matrix, 1);
        Engine.Ops.KeepLast(z, starts, null, next);
        Assert.Equal(new Shape(0, 3), y.Shape);
        tape.Backward(y, tape.New(y.Shape));
        foreach (Tensor t in new[] { mu, w, b, matrix })
            Assert.All(t.Grad!.ToArray(), value => Assert.Equal(0f, value));
        Assert.All(next.ToArray(), value => Assert.Equal(0f, value));
    }

    [Fact]
    public void Wrong_shapes_are_refused_with_both()
    {
        using var device = new CpuDevice(1);
        using var tape = new Tape(device);
        Tensor x = tape.New(new Shape(6, 8)), w = tape.New(new Shape(8)), matrix = tape.New(new Shape(2, 4, 3)), starts = tape.Upload([0, 6]);
        Refused("3 groups do not divide the channels of x (F32[6,8])", () => Engine.Ops.LayerNorm(x, w, w, 1e-5f, 3));
        Refused("b is F32[2,4,3], 8 elements are needed", () => Engine.Ops.LayerNorm(x, w, matrix, 1e-5f));
        Refused("mu is F32[2,4,3], 8 elements are needed", () => Engine.Ops.TokenMix(x, matrix, starts, null));
        Refused("starts (I32[2]) must rise from 0 to the 6 rows", () => Engine.Ops.TokenMix(x, w, tape.Upload([0, 5]), null));
        Refused("starts (I32[3]) must rise from 0 to the 6 rows", () => Engine.Ops.KeepLast(x, tape.Upload([0, 7, 6]), null, tape.New(new Shape(2, 8))));
        Refused("starts (I32[1]) must rise", () => Engine.Ops.TokenMix(x, w, tape.Upload([6]), null));
        Refused("previous is F32[6,8], shape [1,8] is needed", () => Engine.Ops.TokenMix(x, w, starts, x));
        Refused("next is F32[6,8], shape [1,8] is needed", () => Engine.Ops.KeepLast(x, starts, null, x));
        Refused("part 2 of w (F32[2,4,3]) was asked for, it has 2", () => Engine.Ops.Product(x, matrix, 2));
        Refused("w is F32[8], shape [D, out] or [P, D, out] is needed", () => Engine.Ops.Product(x, w));
        Refused("the last dimension of x is 8 (F32[6,8]), 6 is needed", () => Engine.Ops.Product(x, x));
        Tensor trained = tape.New(new Shape(8, 3), DType.BF16);
        trained.NeedsGrad = true;
        Refused("w is BF16[8,3], type F32 is needed", () => Engine.Ops.Product(x, trained));
    }

    [Fact]
    public void Bits_do_not_depend_on_the_threads()
    {
        float[] one = Step(1, 1, out _), three = Step(3, 1, out _);
        Assert.Equal(one, three);
    }

    [Fact]
    public void Later_passes_allocate_nothing()
    {
        Step(2, 6, out long allocated);
        Assert.Equal(0, allocated);
    }

    // Passes through all ops; returns every gradient, and what the last pass took from the managed heap.
    private static float[] Step(int threads, int passes, out long allocated)
    {
        using var device = new CpuDevice(threads);
        using var tape = new Tape(device) { Recording = true };
        Shape[] shapes = [new(40, 96), new(1, 1, 96), new(96), new(96), new(3, 32, 50)];
        Tensor[] parameters = [.. shapes.Select((shape, i) => Tensor.Of(device, shape, Values((int)shape.Count, i)))];
        foreach (Tensor p in parameters)
        {
            p.NeedsGrad = true;
            p.Grad = new Tensor(device, p.Shape);
            p.Grad.Clear();
        }
        allocated = 0;
        float[] input = Values(301 * 40, 9), ones = [.. Enumerable.Repeat(1f, 301 * 50)];
        int[] starts = [0, 0, 100, 101, 301];
        for (int pass = 0; pass < passes; pass++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Tensor at = tape.Upload(starts), x = tape.New(new Shape(301, 40));
            x.Upload<float>(input);
            Tensor z = Engine.Ops.Product(x, parameters[0]);
            Tensor h = Engine.Ops.LayerNorm(Engine.Ops.TokenMix(z, parameters[1], at, null, z), parameters[2], parameters[3], 1e-5f, 3);
            Tensor y = Engine.Ops.Add(Engine.Ops.Product(h, parameters[4], 2), Engine.Ops.Product(h, parameters[4]));
            Tensor grad = tape.New(y.Shape);
            grad.Upload<float>(ones);
            tape.Backward(y, grad);
            tape.Clear();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        float[] gradients = [.. parameters.SelectMany(p => p.Grad!.ToArray())];
        foreach (Tensor p in parameters)
        {
            p.Grad!.Dispose();
            p.Dispose();
        }
        return gradients;
    }

    private static Tensor Ones(Tape tape, Shape shape)
    {
        Tensor tensor = tape.New(shape);
        tensor.WriteFloats([.. Enumerable.Repeat(1f, (int)shape.Count)]);
        tensor.NeedsGrad = true;
        return tensor;
    }

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
    }

    private static void Refused(string message, Action call)
    {
        var error = Assert.Throws<MarrowException>(call);
        Assert.Equal("E104", error.Code);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
