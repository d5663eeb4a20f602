using System.Runtime.InteropServices;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Tests.Ops;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Tests.Cpu;

/// <summary>Products with a matrix in quantised blocks have the bits of the product with its decoded values.</summary>
public sealed unsafe class GemmBlockTypeTests
{
    public static TheoryData<DType> Types => BlockWeights.Types;

    [Theory]
    [MemberData(nameof(Types))]
    public void The_product_with_blocks_is_the_product_with_the_decoded_values_bit_for_bit(DType type)
    {
        int each = BlockFormats.Of(type).Elements;
        Assert.Empty(Differences(type, (200, 70, 1536 + each), (33, 200, 1024 + each), (260, 900, 768)));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Products_of_few_rows_with_blocks_have_the_bits_of_the_decoded_values(DType type) => Assert.Empty(FewRows(type));

    /// <summary>What differs in small products with a type; also run in child processes with narrower vectors.</summary>
    internal static IEnumerable<string> FewRows(DType type)
    {
        // Rows of x, stored rows and row length of W: one block, ends beside runs of 384 and pieces, whole and broken groups of rows.
        int each = BlockFormats.Of(type).Elements;
        return Differences(type, (1, 1, each), (1, 500, 4 * each), (2, 32, 768 + each), (3, 45, 512), (4, 64, 5 * each), (7, 33, 1536 + each), (32, 70, 2 * each));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Inner_lengths_may_end_inside_a_block(bool transposed)
    {
        using var w = new Weights(DType.Q8_0, 400, 416, 6);
        foreach (int m in new[] { 3, 40 })
            Assert.Empty(Differences(w, m, transposed ? 400 : 390, transposed ? 390 : 400, transposed));
    }

    [Fact]
    public void Allocates_nothing_once_warm()
    {
        using var pool = new WorkerPool(2);
        using var w = new Weights(DType.Q8_0, 140, 320, 2);
        using var a = new GuardedMatrix(130, 320, 0, 1);
        using var c = new GuardedMatrix(130, 320, 0, 3);
        for (int i = 0; i < 50; i++)
            Gemm.Run(pool, 130, 140, 320, 1, a.Operand(false), w.Operand(true), 0, c.Data, c.Stride);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            Gemm.Run(pool, 130, 140, 320, 1, a.Operand(false), w.Operand(true), 1, c.Data, c.Stride);
            Gemm.Run(pool, 130, 320, 140, 1, a.Operand(false), w.Operand(false), 0, c.Data, c.Stride);
            Gemm.Run(pool, 50, 140, 320, 1, a.Operand(false), w.Operand(true), 0, c.Data, c.Stride);
            Gemm.RunSerial(pool, 10, 140, 320, 1, a.Operand(false), w.Operand(true), 1, c.Data, c.Stride);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Refuses_blocks_that_rows_do_not_fill_and_blocks_on_the_left()
    {
        using var pool = new WorkerPool(1);
        using var w = new Weights(DType.Q8_0, 4, 64, 2);
        using var x = new GuardedMatrix(4, 64, 0, 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => Gemm.Run(pool, 4, 4, 40, 1, x.Operand(false), new GemmOperand(w.Blocks, BlockFormats.Of(DType.Q8_0), 40, true), 0, x.Data, 64));
        Assert.Throws<ArgumentException>(() => Gemm.Run(pool, 4, 4, 64, 1, w.Operand(false), x.Operand(true), 0, x.Data, 64));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Any_range_of_a_tensor_reads_as_fp32(DType type)
    {
        BlockFormat format = BlockFormats.Of(type);
        // Longer than a piece, with an odd number of blocks.
        int width = 3 * format.Elements, rows = 70_000 / width + 1;
        using var w = new Weights(type, rows, width, 3);
        using var device = new CpuDevice(1);
        using var tensor = new Tensor(device, new Shape(rows, width), type);
        tensor.Upload(w.Bytes);
        Assert.Equal(rows * width / format.Elements * format.Bytes, tensor.Bytes);
        Assert.True(tensor.ToArray().AsSpan().SequenceEqual(w.Values));
        foreach ((int first, int count) in new[] { (0, 1), (7, 3), (format.Elements - 1, 2), (5, 66_000), (rows * width - 1, 1), (format.Elements, 0) })
        {
            var part = new float[count];
            tensor.ReadFloats(part, first);
            Assert.True(part.AsSpan().SequenceEqual(w.Values.Slice(first, count)), $"{count} from {first}");
        }
        using Tensor row = tensor.View(width, new Shape(1, width));
        Assert.True(row.ToArray().AsSpan().SequenceEqual(w.Values.Slice(width, width)));
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.ReadFloats(new float[2], rows * width - 1));
        Assert.Contains("stored in blocks", Assert.Throws<InvalidOperationException>(() => tensor.WriteFloats([1f])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new Tensor(device, new Shape(format.Elements, 3), type));
    }

    private static IEnumerable<string> Differences(DType type, params (int M, int Rows, int Width)[] sizes)
    {
        foreach ((int m, int rows, int width) in sizes)
        {
            using var w = new Weights(type, rows, width, 5);
            foreach (string difference in Differences(w, m, rows, width, transposed: true).Concat(Differences(w, m, width, rows, transposed: false)))
                yield return $"{type} {difference}";
        }
    }

    private static List<string> Differences(Weights w, int m, int n, int k, bool transposed)
    {
        List<string> found = [];
        using var a = new GuardedMatrix(m, k, 1, 1);
        foreach ((float alpha, float beta) in new[] { (1f, 0f), (0.7f, 1f) })
        {
            using var expected = new GuardedMatrix(m, n, 2, 3);
            using var serial = new WorkerPool(1);
            Gemm.Run(serial, m, n, k, alpha, a.Operand(false), w.Decoded(transposed), beta, expected.Data, expected.Stride);
            foreach (int threads in new[] { 1, 2, 5 })
            {
                using var pool = new WorkerPool(threads);
                using var c = new GuardedMatrix(m, n, 2, 3);
                Gemm.Run(pool, m, n, k, alpha, a.Operand(false), w.Operand(transposed), beta, c.Data, c.Stride);
                if (!expected.Bits().AsSpan().SequenceEqual(c.Bits()))
                    found.Add($"{m}x{n}x{k} transposed {transposed}, beta {beta}, {threads} threads");
                c.AssertGuards();
            }
        }
        return found;
    }

    /// <summary>A random matrix in blocks, and its decoded values.</summary>
    private sealed class Weights : IDisposable
    {
        private readonly BlockFormat _format;
        private readonly int _rows, _width;
        private readonly float* _values;

        public Weights(DType type, int rows, int width, int seed)
        {
            (_format, _rows, _width) = (BlockFormats.Of(type), rows, width);
            byte[] drawn = BlockWeights.Draw(new Random(seed), type, new Shape(rows, width));
            Blocks = (byte*)NativeMemory.Alloc((nuint)drawn.Length);
            drawn.CopyTo(new Span<byte>(Blocks, drawn.Length));
            _values = (float*)NativeMemory.Alloc((nuint)(rows * width), sizeof(float));
            _format.Decode!(Bytes, new Span<float>(_values, rows * width));
        }

        public byte* Blocks { get; }

        public ReadOnlySpan<byte> Bytes => new(Blocks, (int)_format.DType.Bytes(_rows * _width));

        public ReadOnlySpan<float> Values => new(_values, _rows * _width);

        public GemmOperand Operand(bool transposed) => new(Blocks, _format, _width, transposed);

        public GemmOperand Decoded(bool transposed) => new(_values, _width, transposed);

        public void Dispose()
        {
            NativeMemory.Free(Blocks);
            NativeMemory.Free(_values);
        }
    }
}
