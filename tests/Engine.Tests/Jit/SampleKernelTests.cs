using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Jit;

/// <summary>The sample kernels, from code with and without the C# optimiser, run on a device and are held against plain C#.</summary>
public sealed class SampleKernelTests(ITestOutputHelper output)
{
    public static TheoryData<bool> Builds => [true, false];

    [Theory]
    [MemberData(nameof(Builds))]
    public void A_group_reduction_serves_every_lane(bool optimised)
    {
        foreach (DType type in (DType[])[DType.F32, DType.BF16, DType.F16])
        {
            Run(optimised, "RowNorm", device =>
            {
                const int rows = 3, n = 100;
                float[] x = Floats(rows * n, type), w = Floats(n, DType.F32);
                using Tensor tx = Make(device, x, type), tw = Make(device, w, DType.F32), ty = new(device, new Shape(rows, n), type), tr = new(device, new Shape(rows));
                device.Launch(Sample(optimised, "RowNorm"), new Grid(64, rows), tx, tw, ty, tr, n, 1e-5f);
                float[] rstd = tr.ToArray(), y = Read(ty);
                for (int row = 0; row < rows; row++)
                {
                    double square = x.Skip(row * n).Take(n).Sum(v => (double)v * v), r = 1 / Math.Sqrt(square / n + 1e-5);
                    Assert.Equal(r, rstd[row], 5e-6 * r);
                    for (int i = 0; i < n; i++)
                        Assert.Equal(x[row * n + i] * r * w[i], y[row * n + i], type == DType.F32 ? 1e-5 : type == DType.F16 ? 2e-3 : 1.2e-2);
                }
            });
        }
    }

    [Theory]
    [MemberData(nameof(Builds))]
    public void Shared_memory_barriers_and_private_tiles_multiply_matrices(bool optimised) => Run(optimised, "TiledProduct", device =>
    {
        const int m = 37, n = 50, k = 29;
        float[] a = Floats(m * k, DType.F32), b = Floats(k * n, DType.F32);
        using Tensor ta = Make(device, a, DType.F32), tb = Make(device, b, DType.F32), tc = new(device, new Shape(m, n));
        tc.Clear();
        Kernel kernel = Sample(optimised, "TiledProduct", optimised ? typeof(SmallTile) : typeof(Unoptimised.SmallTile));
        for (int time = 0; time < 2; time++)
            device.Launch(kernel, new Grid(64, (n + 31) / 32, (m + 31) / 32), ta, tb, tc, m, n, k);
        float[] c = tc.ToArray();
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                Assert.Equal(2 * Enumerable.Range(0, k).Sum(p => (double)a[i * k + p] * b[p * n + j]), c[i * n + j], 1e-4);
    });

    [Theory]
    [MemberData(nameof(Builds))]
    public void Loops_with_continue_and_break_keep_their_meaning(bool optimised)
    {
        Run(optimised, "OnlineSoftmax", device =>
        {
            const int n = 33;
            float[] x = Floats(n, DType.F32);
            x[5] = float.NegativeInfinity;
            using Tensor tx = Make(device, x, DType.F32), ty = new(device, new Shape(n));
            device.Launch(Sample(optimised, "OnlineSoftmax"), new Grid(1, 1), tx, ty, n);
            double max = x.Max(), sum = x.Sum(v => Math.Exp(v - max));
            float[] y = ty.ToArray();
            for (int i = 0; i < n; i++)
                Assert.Equal(Math.Exp(x[i] - max) / sum, y[i], 1e-6);
        });
        Run(optimised, "Flow", device =>
        {
            int[] x = [.. Enumerable.Range(1, 64)];
            using Tensor tx = Make(device, x), ty = new(device, new Shape(64), DType.I32);
            device.Launch(Sample(optimised, "Flow"), new Grid(32, 2), tx, ty, 60);
            int[] y = Ints(ty);
            for (int i = 0; i < 60; i++)
                Assert.Equal(Flow(x[i], 60), y[i]);
        });
    }

    [Theory]
    [MemberData(nameof(Builds))]
    public void Type_parameters_and_constants_are_compiled_in(bool optimised) => Run(optimised, "Map", device =>
    {
        const int n = 100;
        float[] x = Floats(n, DType.F32);
        using Tensor tx = Make(device, x, DType.F32), ty = new(device, new Shape(n));
        foreach ((Type op, Func<float, double> f) in new (Type, Func<float, double>)[]
        {
            (optimised ? typeof(Silu) : typeof(Unoptimised.Silu), v => v / (1 + Math.Exp(-v))), (optimised ? typeof(Ramp) : typeof(Unoptimised.Ramp), v => Math.Max(v, 0)),
        })
        {
            foreach (bool squared in (bool[])[false, true])
            {
                device.Launch(Sample(optimised, "Map", op), Grid.Over(n, 64), tx, ty, n, squared);
                float[] y = ty.ToArray();
                for (int i = 0; i < n; i++)
                    Assert.Equal(squared ? Math.Pow(f(x[i]), 2) : f(x[i]), y[i], 1e-6);
            }
        }
    });

    [Theory]
    [MemberData(nameof(Builds))]
    public void Integers_wrap_shift_and_divide_as_in_CSharp(bool optimised) => Run(optimised, "Bits", device =>
    {
        uint[] x = [0, 1, 7, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 123456789, 0xdeadbeef];
        using Tensor tx = new(device, new Shape(x.Length), DType.U32), ty = new(device, new Shape(x.Length), DType.I32), wide = new(device, new Shape(x.Length), DType.U64);
        tx.Upload<uint>(x);
        device.Launch(Sample(optimised, "Bits"), new Grid(32, 1), tx, ty, wide, x.Length);
        int[] y = Ints(ty);
        var hashes = new ulong[x.Length];
        wide.Download(hashes.AsSpan());
        for (int i = 0; i < x.Length; i++)
        {
            uint v = x[i];
            ulong h = SplitMix64.Mix(((ulong)v << 7) + (ulong)i);
            int signed = (int)v >> 3;
            Assert.Equal(h, hashes[i]);
            Assert.Equal((int)(v >> 5) ^ signed ^ BitOperations.PopCount(v) ^ (int)(h >> 40) ^ (v > 0x80000000u ? 1 : 2) ^ (int)(v / 7u) ^ (signed / 7) ^ (signed % 5) ^ (int)(v % 5u) ^ (byte)v ^ (sbyte)(v >> 4) ^ ~signed, y[i]);
        }
    });

    [Theory]
    [MemberData(nameof(Builds))]
    public void Four_elements_move_at_once_in_every_stored_type(bool optimised)
    {
        foreach (DType type in (DType[])[DType.F32, DType.BF16, DType.F16])
        {
            Run(optimised, "Vectors", device =>
            {
                const int n = 43;
                float[] x = Floats(n, type);
                using Tensor tx = Make(device, x, type), ty = new(device, new Shape(n), type);
                device.Launch(Sample(optimised, "Vectors"), Grid.Over((n + 3) / 4, 32), tx, ty, n, 3f);
                float[] y = Read(ty);
                for (int i = 0; i < n; i++)
                {
                    double want = i >= 40 ? x[i] : (x[i] * 3 + 1 + i % 4 + (i % 4 == 0 ? x[i + 3] : 0)) / 2;
                    Assert.Equal(want, y[i], type == DType.F32 ? 1e-6 : type == DType.F16 ? 3e-3 : 3e-2);
                }
            });
        }
    }

    [Theory]
    [MemberData(nameof(Builds))]
    public void Integer_atomics_count(bool optimised) => Run(optimised, "Histogram", device =>
    {
        int[] x = [.. Enumerable.Range(0, 1000).Select(i => i * 7 % 131)];
        using Tensor tx = Make(device, x), counts = Make(device, new int[16]), largest = Make(device, new int[1]);
        device.Launch(Sample(optimised, "Histogram"), new Grid(64, 3), tx, counts, largest, x.Length);
        Assert.Equal([.. Enumerable.Range(0, 16).Select(b => x.Count(v => (v & 15) == b))], Ints(counts));
        Assert.Equal(x.Max(), Ints(largest)[0]);
    });

    [Theory]
    [MemberData(nameof(Builds))]
    public void A_matrix_tile_is_the_product_in_every_layout(bool optimised) => Run(optimised, "WarpProduct", device =>
    {
        float[] a = Floats(32 * 16, DType.BF16), b = Floats(16 * 16, DType.BF16);
        using Tensor ta = Make(device, a, DType.BF16), tb = Make(device, b, DType.BF16), tc = new(device, new Shape(32, 16));
        for (int layout = 0; layout < 4; layout++)
        {
            device.Launch(Sample(optimised, "WarpProduct"), new Grid(32, 1), ta, tb, tc, layout % 2 == 1, layout / 2 == 1);
            float[] c = tc.ToArray();
            for (int i = 0; i < 32; i++)
                for (int j = 0; j < 16; j++)
                    Assert.Equal(Enumerable.Range(0, 16).Sum(k => (double)a[i * 16 + k] * b[k * 16 + j]), c[i * 16 + j], 1e-5);
        }
    });

    private void Run(bool optimised, string kernel, Action<KernelDevice> test)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        test(device);
        Assert.True(device.Launches > 0, $"{kernel} (optimised: {optimised}) was not launched");
    }

    private static Kernel Sample(bool optimised, string name, params Type[] types) => Kernel.Of(optimised ? typeof(SampleKernels) : typeof(Unoptimised.SampleKernels), name, types);

    private static float[] Floats(int n, DType type)
    {
        var random = new Random(n);
        return [.. Enumerable.Range(0, n).Select(_ => Rounded((random.NextSingle() * 2 - 1) * 2, type))];
    }

    private static float Rounded(float v, DType type) => type switch { DType.BF16 => (float)(BFloat16)v, DType.F16 => (float)(Half)v, _ => v };

    private static Tensor Make(Device device, float[] values, DType type)
    {
        var tensor = new Tensor(device, new Shape(values.Length), type);
        if (type == DType.F16)
            tensor.Upload<Half>(Array.ConvertAll(values, v => (Half)v));
        else
            tensor.WriteFloats(values);
        return tensor;
    }

    private static Tensor Make(Device device, int[] values)
    {
        var tensor = new Tensor(device, new Shape(values.Length), DType.I32);
        tensor.Upload<int>(values);
        return tensor;
    }

    private static float[] Read(Tensor tensor)
    {
        if (tensor.DType != DType.F16)
            return tensor.ToArray();
        var halves = new Half[tensor.Shape.Count];
        tensor.Download(halves.AsSpan());
        return Array.ConvertAll(halves, h => (float)h);
    }

    private static int[] Ints(Tensor tensor)
    {
        var values = new int[tensor.Shape.Count];
        tensor.Download(values.AsSpan());
        return values;
    }

    // What the kernel Flow computes, as the C# compiler understands it.
    private static int Flow(int v, int n)
    {
        int steps = 0;
        while (v != 1)
        {
            v = (v & 1) == 0 ? v >> 1 : 3 * v + 1;
            if (++steps > 100 || v < 0)
                break;
        }
        int odd = 0;
        for (int a = 0; a < 5; a++)
        {
            for (int b = 0; b < 3; b++)
                odd += ((a + b) & 1) == 0 ? 0 : a * b;
            if (odd > 12 && steps > 3)
                break;
        }
        int low = (v + odd) & 3, high = ((v + odd) >> 2) & 3;
        do
        {
            low += high > 0 ? 1 : -1;
            high--;
        }
        while (high > 0);
        return steps * 1000 + low + ((v >= 0 && v < n && steps < 7) || odd == 2 ? 500 : 0);
    }
}
