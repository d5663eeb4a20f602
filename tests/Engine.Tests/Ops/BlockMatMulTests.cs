using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

/// <summary>Products with block-quantised matrices by every kernel, against the same kernels with the decoded values.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class BlockMatMulTests(KernelDevices devices, ITestOutputHelper output)
{
    private const DType F = DType.F32, H = DType.BF16;

    private static readonly MatMulTile Tiled = new(MatMulMethod.Tiled, 16, 32, 8, 4, 4), Tensors = new(MatMulMethod.Tensor, 32, 32, 32, 1, 2);

    public static TheoryData<DType> Types => BlockWeights.Types;

    [Theory]
    [MemberData(nameof(Types))]
    public void As_a_weight_forwards_and_backwards(DType type)
    {
        foreach (string kind in (string[])["opencl", "cuda"])
        {
            if (!devices.Find(output, kind, out Device found))
                continue;
            var device = (KernelDevice)found;
            var random = new Random(20);
            foreach ((int m, int outputs, int inputs) in new[] { (1, 40, 256), (33, 45, 512), (2, 129, 768) })
            {
                Check(device, random, m, outputs, inputs, true, type, F, F, null);
                Check(device, random, m, inputs, outputs, false, type, F, F, null);
            }
        }
    }

    // One type with blocks of 32 and one of 256 stand for all: the functions that decode are the same.
    [Theory]
    [InlineData(DType.Q8_0)]
    [InlineData(DType.Q4_K)]
    public void By_every_kernel(DType type)
    {
        if (!devices.Find(output, "opencl", out Device found))
            return;
        var device = (KernelDevice)found;
        var random = new Random(21);
        foreach (MatMulTile? tile in (MatMulTile?[])[null, Tiled, Tensors])
        {
            DType activations = tile == Tensors ? H : F;
            foreach ((int m, int outputs, int inputs) in new[] { (33, 45, 512), (40, 31, 256) })
            {
                Check(device, random, m, outputs, inputs, true, type, activations, activations, tile);
                Check(device, random, m, inputs, outputs, false, type, activations, activations, tile);
            }
            // A long sum in parts, which must begin with a block.
            Check(device, random, 9, 11, 1280, true, type, activations, F, tile, 3);
            Check(device, random, 9, 256, 1100, false, type, activations, F, tile, 4);
            // The quantised matrix on the left.
            CheckLeft(device, random, 21, 512, 17, false, type, tile);
            CheckLeft(device, random, 512, 21, 17, true, type, tile);
        }
        Check(device, random, 1, 45, 768, true, type, H, H, null);
    }

    [Theory]
    [InlineData(DType.Q8_0)]
    [InlineData(DType.Q4_K)]
    public void Many_matrices_and_a_part_of_one(DType type)
    {
        if (!devices.Find(output, "opencl", out Device device))
            return;
        var random = new Random(22);
        const int count = 3, m = 5, n = 256, k = 24;
        using Tensor w = BlockWeights.Upload(device, random, type, new Shape(count, k, n), out float[] values), plain = Tensor.Of(device, w.Shape, values);
        using Tensor x = Draw(device, random, new Shape(count, m, k), F), y = new(device, new Shape(count, m, n)), same = new(device, y.Shape);
        MatMul.RunMany(count, x, false, m * k, w, false, k * n, y, m * n, m, n, k, false);
        MatMul.RunMany(count, x, false, m * k, plain, false, k * n, same, m * n, m, n, k, false);
        Same(same.ToArray(), y.ToArray(), k);
        using Tensor last = w.View(2 * k * n, new Shape(k, n)), lastPlain = plain.View(2 * k * n, new Shape(k, n)), row = x.View(0, new Shape(m, k)), z = new(device, new Shape(m, n)), zSame = new(device, z.Shape);
        MatMul.Run(row, false, last, false, z);
        MatMul.Run(row, false, lastPlain, false, zSame);
        Same(zSame.ToArray(), z.ToArray(), k);
    }

    // n and k of x·w or x·wᵀ; w's rows are whole blocks.
    private static void Check(KernelDevice device, Random random, int m, int n, int k, bool transposed, DType type, DType typeX, DType typeY, MatMulTile? tile, int parts = 0)
    {
        using Tensor w = BlockWeights.Upload(device, random, type, transposed ? new Shape(n, k) : new Shape(k, n), out float[] values), plain = Tensor.Of(device, w.Shape, values);
        using Tensor x = Draw(device, random, new Shape(m, k), typeX), y = Draw(device, random, new Shape(m, n), typeY), same = new(device, y.Shape, typeY);
        same.CopyFrom(y);
        var product = new MatMul.Product(x, false, w, transposed, y, m, n, k, -1.5f, true);
        MatMulTile way = tile ?? device.Tiles.For(product);
        MatMul.Run(device, product, way, parts);
        MatMul.Run(device, product with { B = plain, C = same }, way, parts);
        Same(same.ToArray(), y.ToArray(), k, typeY == H);
    }

    private static void CheckLeft(KernelDevice device, Random random, int rows, int columns, int n, bool transposed, DType type, MatMulTile? tile)
    {
        Shape shape = transposed ? new Shape(columns, rows) : new Shape(rows, columns);
        using Tensor w = BlockWeights.Upload(device, random, type, shape, out float[] values), plain = Tensor.Of(device, w.Shape, values);
        using Tensor x = Draw(device, random, new Shape(columns, n), tile == Tensors ? H : F), y = new(device, new Shape(rows, n)), same = new(device, y.Shape);
        var product = new MatMul.Product(w, transposed, x, false, y, rows, n, columns, 1f, false);
        MatMulTile way = tile ?? device.Tiles.For(product);
        MatMul.Run(device, product, way);
        MatMul.Run(device, product with { A = plain, C = same }, way);
        Same(same.ToArray(), y.ToArray(), columns);
    }

    // Weights and activations are of the order of one; both sums go in the same order, where the driver may contract differently.
    private static void Same(float[] want, float[] got, int k, bool narrow = false)
    {
        for (int i = 0; i < want.Length; i++)
            Assert.True(Math.Abs(want[i] - got[i]) <= 1e-6 * k + (narrow ? Math.Abs(want[i]) / 128 : 0), $"element {i}: {got[i]}, expected {want[i]}");
    }

    private static Tensor Draw(Device device, Random random, Shape shape, DType type)
    {
        var tensor = new Tensor(device, shape, type);
        tensor.WriteFloats([.. Enumerable.Range(0, (int)shape.Count).Select(_ => random.NextSingle() * 2 - 1)]);
        return tensor;
    }
}
