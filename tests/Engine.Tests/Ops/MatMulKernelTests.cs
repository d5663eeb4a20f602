using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;
using Marrow.Tests;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>Every way of computing products on a device that runs kernels, against sums in double precision.</summary>
public sealed class MatMulKernelTests(ITestOutputHelper output)
{
    private const DType F = DType.F32, H = DType.BF16;

    [Fact]
    public void Random_shapes_in_all_transpositions()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        var random = new Random(7);
        (int M, int N, int K)[] shapes = [(1, 1, 1), (33, 31, 5), (64, 64, 64), (2, 3, 0), (300, 140, 129), (7, 16, 4099), (65, 129, 40)];
        foreach ((int m, int n, int k) in shapes)
            foreach ((bool transA, bool transB) in new[] { (false, false), (false, true), (true, false), (true, true) })
                Check(device, random, m, n, k, transA, transB, F, F, F, null);
    }

    [Theory]
    [InlineData(H, F, H)]
    [InlineData(F, H, F)]
    [InlineData(H, H, H)]
    [InlineData(H, H, F)]
    [InlineData(F, F, H)]
    [InlineData(H, F, F)]
    public void Element_types_mix(DType a, DType b, DType c)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        var random = new Random(8);
        Check(device, random, 37, 45, 70, false, true, a, b, c, null);
        Check(device, random, 64, 16, 128, false, true, a, b, c, null);
        Check(device, random, 1, 45, 70, false, true, a, b, c, null);
        Check(device, random, 16, 45, 70, true, false, a, b, c, null);
    }

    public static TheoryData<int> Candidates => [.. Enumerable.Range(0, MatMulTile.All.Count)];

    [Theory]
    [MemberData(nameof(Candidates))]
    public void Every_candidate(int number)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        MatMulTile tile = MatMulTile.All[number];
        if (!tile.Fits(device.Capabilities))
        {
            output.WriteLine($"skipped: {tile} does not fit this device");
            return;
        }
        var random = new Random(9);
        DType type = tile.Method == MatMulMethod.Tensor ? H : F;
        Check(device, random, 133, 149, 72, false, true, type, type, type, tile);
        Check(device, random, tile.Rows, tile.Columns, tile.Depth, false, true, type, type, type, tile);
        Check(device, random, 16, 24, 0, false, true, type, type, type, tile);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Gpu_kernels_in_all_transpositions(bool transA, bool transB)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        var random = new Random(10);
        var tiled = new MatMulTile(MatMulMethod.Tiled, 16, 32, 8, 4, 4);
        var tensor = new MatMulTile(MatMulMethod.Tensor, 32, 32, 32, 1, 2);
        foreach ((int m, int n, int k) in new[] { (32, 32, 32), (40, 48, 56), (33, 35, 37), (64, 33, 100) })
        {
            Check(device, random, m, n, k, transA, transB, F, F, F, tiled);
            Check(device, random, m, n, k, transA, transB, H, F, F, tiled);
            Check(device, random, m, n, k, transA, transB, H, H, H, tensor);
        }
        Check(device, random, 40, 48, 56, transA, transB, H, F, H, tensor);
        Check(device, random, 40, 48, 56, transA, transB, H, H, F, tensor);
    }

    [Theory]
    [InlineData(F)]
    [InlineData(H)]
    public void Parts_of_a_long_sum(DType type)
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        var random = new Random(11);
        foreach (int parts in new[] { 2, 3, 7 })
        {
            Check(device, random, 9, 11, 1000, true, false, type, type, type, null, parts);
            Check(device, random, 9, 11, 1000, false, true, type, type, F, null, parts);
        }
        Check(device, random, 17, 19, 1003, false, true, type, type, F, new MatMulTile(MatMulMethod.Tiled, 16, 32, 8, 4, 4), 4);
        Check(device, random, 17, 19, 1003, true, false, H, H, F, new MatMulTile(MatMulMethod.Tensor, 32, 32, 32, 1, 2), 4);
        // Without being told: few tiles, long sums.
        Check(device, random, 16, 16, 20000, true, false, type, type, F, null);
    }

    [Fact]
    public void Many_products_of_one_shape()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        var random = new Random(12);
        const int count = 5, m = 13, n = 17, k = 19;
        float[] a = Draw(random, count * m * k, F), b = Draw(random, count * k * n, F), c = Draw(random, count * m * n, F);
        using Tensor ta = Tensor.Of(device, new Shape(count, m, k), a), tb = Tensor.Of(device, new Shape(count, k, n), b), tc = Tensor.Of(device, new Shape(count, m, n), c);
        MatMul.RunMany(count, ta, false, m * k, tb, false, k * n, tc, m * n, m, n, k, true);
        float[] got = tc.ToArray();
        for (int z = 0; z < count; z++)
            for (int i = 0; i < m; i++)
                for (int j = 0; j < n; j++)
                {
                    double want = c[(z * m + i) * n + j];
                    for (int p = 0; p < k; p++)
                        want += (double)a[(z * m + i) * k + p] * b[(z * k + p) * n + j];
                    Assert.Equal(want, got[(z * m + i) * n + j], 1e-5);
                }
    }

    [Fact]
    public void The_same_product_has_the_same_bits()
    {
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        var random = new Random(13);
        float[] a = Draw(random, 16 * 5000, F), b = Draw(random, 5000 * 24, F);
        using Tensor ta = Tensor.Of(device, new Shape(16, 5000), a), tb = Tensor.Of(device, new Shape(5000, 24), b), c = new(device, new Shape(16, 24));
        MatMul.Run(ta, false, tb, false, c);
        float[] first = c.ToArray();
        for (int i = 0; i < 3; i++)
        {
            MatMul.Run(ta, false, tb, false, c);
            Assert.Equal(first, c.ToArray());
        }
    }

    // tile null: what the device chooses
    private static void Check(KernelDevice device, Random random, int m, int n, int k, bool transA, bool transB, DType typeA, DType typeB, DType typeC, MatMulTile? tile, int parts = 0)
    {
        float[] a = Draw(random, m * k, typeA), b = Draw(random, k * n, typeB), before = Draw(random, m * n, typeC);
        foreach ((float alpha, bool accumulate) in new[] { (1f, false), (-1.5f, true) })
        {
            using Tensor ta = Upload(device, transA ? new Shape(k, m) : new Shape(m, k), typeA, a), tb = Upload(device, transB ? new Shape(n, k) : new Shape(k, n), typeB, b);
            using Tensor tc = Upload(device, new Shape(m, n), typeC, before);
            var product = new MatMul.Product(ta, transA, tb, transB, tc, m, n, k, alpha, accumulate);
            MatMul.Run(device, product, tile ?? device.Tiles.For(product), parts);
            float[] got = tc.ToArray();
            bool rounded = tile?.Method == MatMulMethod.Tensor;
            for (int i = 0; i < m; i++)
                for (int j = 0; j < n; j++)
                {
                    double sum = 0, size = 0;
                    for (int p = 0; p < k; p++)
                    {
                        double x = a[transA ? p * m + i : i * k + p], y = b[transB ? j * k + p : p * n + j];
                        sum += x * y;
                        size += Math.Abs(x * y);
                    }
                    double want = alpha * sum + (accumulate ? before[i * n + j] : 0);
                    // fp32 sums; tensor cores round fp32 operands to bf16, and a bf16 result is rounded once more.
                    double allowed = 1e-6 * (1 + Math.Abs(alpha) * size) + (rounded && (typeA == F || typeB == F) ? Math.Abs(alpha) * size / 256 : 0) + (typeC == H ? Math.Abs(want) / 256 : 0);
                    Assert.True(Math.Abs(want - got[i * n + j]) <= allowed, $"{m}x{n}x{k} {transA} {transB} {typeA}·{typeB}→{typeC} {tile} parts {parts} at {i},{j}: {got[i * n + j]}, expected {want}");
                }
        }
    }

    private static float[] Draw(Random random, int count, DType type)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            float v = random.NextSingle() * 2 - 1;
            values[i] = type == H ? (float)(BFloat16)v : v;
        }
        return values;
    }

    private static Tensor Upload(KernelDevice device, Shape shape, DType type, float[] values)
    {
        var tensor = new Tensor(device, shape, type);
        tensor.WriteFloats(values);
        return tensor;
    }
}
