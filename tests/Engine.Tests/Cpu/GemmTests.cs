using Marrow.Engine.Cpu;

namespace Marrow.Engine.Tests.Cpu;

public sealed unsafe class GemmTests : IDisposable
{
    private readonly WorkerPool _pool = new(2);

    public void Dispose() => _pool.Dispose();

    public static TheoryData<int, int, int> Sizes()
    {
        var sizes = new TheoryData<int, int, int>
        {
            { 257, 100, 33 }, { 100, 257, 31 }, { 31, 33, 257 }, { 13, 1060, 5 }, { 1060, 17, 20 }, { 245, 70, 300 },
            { 1, 257, 300 }, { 257, 1, 100 }, { 1, 1, 600 }, { 64, 64, 64 }, { 16, 96, 520 }, { 96, 16, 520 }, { 100, 96, 16 },
        };
        int[] small = [1, 3, 16, 31, 33];
        foreach (int m in small)
        {
            foreach (int n in small)
            {
                foreach (int k in small)
                    sizes.Add(m, n, k);
            }
        }
        return sizes;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Agrees_with_a_double_reference(int m, int n, int k)
    {
        for (int variant = 0; variant < 4; variant++)
        {
            bool transposedA = (variant & 1) != 0, transposedB = (variant & 2) != 0;
            Check(m, n, k, transposedA, transposedB, 1, 0, gap: 0);
            Check(m, n, k, transposedA, transposedB, -0.75f, 1, gap: 3);
        }
    }

    [Theory]
    [InlineData(1f, 0f)]
    [InlineData(1f, 1f)]
    [InlineData(0.5f, -2f)]
    [InlineData(0f, 0.25f)]
    [InlineData(0f, 0f)]
    public void Takes_alpha_and_beta(float alpha, float beta) => Check(37, 45, 290, false, true, alpha, beta, gap: 1);

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Reads_bf16_operands(bool transposedA, bool transposedB)
    {
        foreach ((int m, int n, int k) in new[] { (1, 1, 1), (5, 33, 19), (70, 97, 301), (33, 16, 64), (3, 64, 40) })
        {
            Check(m, n, k, transposedA, transposedB, 1, 0, gap: 0, bfloat16B: true);
            Check(m, n, k, transposedA, transposedB, 1, 1, gap: 5, bfloat16A: true, bfloat16B: true);
            Check(m, n, k, transposedA, transposedB, 2, 0, gap: 2, bfloat16A: true);
        }
    }

    [Fact]
    public void Without_steps_along_k_only_beta_acts()
    {
        using var a = new GuardedMatrix(5, 0, 4, 1);
        using var b = new GuardedMatrix(0, 7, 0, 2);
        using var c = new GuardedMatrix(5, 7, 2, 3);
        Gemm.Run(_pool, 5, 7, 0, 1, a.Operand(false), b.Operand(false), 0.5f, c.Data, c.Stride);
        Assert.Equal((float)c.Values[4, 6] * 0.5f, c.Bits()[34]);
        Gemm.Run(_pool, 5, 7, 0, 1, a.Operand(false), b.Operand(false), 0, c.Data, c.Stride);
        Assert.All(c.Bits(), value => Assert.Equal(0f, value));
        c.AssertGuards();
    }

    [Fact]
    public void Does_not_read_C_where_beta_is_zero_and_passes_NaN_of_the_inputs_on()
    {
        using var a = new GuardedMatrix(20, 30, 0, 1);
        using var b = new GuardedMatrix(30, 40, 0, 2);
        using var c = new GuardedMatrix(20, 40, 0, 3);
        new Span<float>(c.Data, 800).Fill(float.NaN);
        Gemm.Run(_pool, 20, 40, 30, 1, a.Operand(false), b.Operand(false), 0, c.Data, c.Stride);
        Assert.DoesNotContain(c.Bits(), float.IsNaN);
        a.Data[3 * 30 + 7] = float.NaN;
        Gemm.Run(_pool, 20, 40, 30, 1, a.Operand(false), b.Operand(false), 0, c.Data, c.Stride);
        float[] result = c.Bits();
        for (int i = 0; i < 800; i++)
            Assert.Equal(i / 40 == 3, float.IsNaN(result[i]));
    }

    [Theory]
    [InlineData(257, 260, 300, false, true)]
    [InlineData(700, 16, 300, false, true)]
    [InlineData(16, 700, 300, true, false)]
    [InlineData(130, 1500, 40, false, false)]
    public void Has_the_same_bits_for_any_number_of_threads(int m, int n, int k, bool transposedA, bool transposedB)
    {
        using var a = new GuardedMatrix(transposedA ? k : m, transposedA ? m : k, 0, 1);
        using var b = new GuardedMatrix(transposedB ? n : k, transposedB ? k : n, 0, 2);
        float[]? expected = null;
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using var pool = new WorkerPool(threads);
            using var c = new GuardedMatrix(m, n, 0, 3);
            Gemm.Run(pool, m, n, k, 0.3f, a.Operand(transposedA), b.Operand(transposedB), 1, c.Data, c.Stride);
            expected ??= c.Bits();
            Assert.True(expected.AsSpan().SequenceEqual(c.Bits()), $"{threads} threads gave other bits than one");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gives_a_row_the_same_bits_in_a_batch_of_any_size(bool transposedB)
    {
        const int M = 67, N = 75, K = 530;
        using var a = new GuardedMatrix(M, K, 0, 1);
        using var b = new GuardedMatrix(transposedB ? N : K, transposedB ? K : N, 0, 2);
        using var c = new GuardedMatrix(M, N, 0, 3);
        Gemm.Run(_pool, M, N, K, 0.7f, a.Operand(false), b.Operand(transposedB), 0, c.Data, c.Stride);
        foreach (int rows in new[] { 1, 2, 7, 12, 20 })
        {
            using var part = new GuardedMatrix(rows, N, 0, 4);
            for (int start = 0; start + rows <= M; start += rows)
            {
                Gemm.RunSerial(_pool, rows, N, K, 0.7f, new GemmOperand(a.Data + start * K, K), b.Operand(transposedB), 0, part.Data, part.Stride);
                Assert.True(part.Bits().AsSpan().SequenceEqual(c.Bits().AsSpan(start * N, rows * N)), $"rows {start}+{rows}");
            }
        }
    }

    [Fact]
    public void Allocates_nothing_once_warm()
    {
        using var a = new GuardedMatrix(130, 300, 0, 1);
        using var b = new GuardedMatrix(140, 300, 0, 2);
        using var c = new GuardedMatrix(130, 140, 0, 3);
        for (int i = 0; i < 50; i++)
            Gemm.Run(_pool, 130, 140, 300, 1, a.Operand(false), b.Operand(true), 0, c.Data, c.Stride);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            Gemm.Run(_pool, 130, 140, 300, 1, a.Operand(false), b.Operand(true), 1, c.Data, c.Stride);
            Gemm.RunSerial(_pool, 10, 140, 300, 1, a.Operand(false), b.Operand(true), 1, c.Data, c.Stride);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Runs_inside_a_loop_of_the_pool()
    {
        using var a = new GuardedMatrix(8 * 20, 30, 0, 1);
        using var b = new GuardedMatrix(30, 40, 0, 2);
        using var c = new GuardedMatrix(8 * 20, 40, 0, 3);
        using var expected = new GuardedMatrix(8 * 20, 40, 0, 3);
        Gemm.RunSerial(_pool, 160, 40, 30, 1, a.Operand(false), b.Operand(false), 0, expected.Data, expected.Stride);
        var heads = new Heads { Pool = _pool, A = a.Data, B = b.Data, C = c.Data };
        _pool.For(8, ref heads);
        Assert.True(expected.Bits().AsSpan().SequenceEqual(c.Bits()));
    }

    [Fact]
    public void Refuses_impossible_sizes()
    {
        using var a = new GuardedMatrix(4, 4, 0, 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => Gemm.Run(_pool, 4, 4, 5, 1, a.Operand(false), a.Operand(false), 0, a.Data, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Gemm.Run(_pool, 4, 5, 4, 1, a.Operand(false), a.Operand(true), 0, a.Data, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Gemm.Run(_pool, -1, 4, 4, 1, a.Operand(false), a.Operand(true), 0, a.Data, 4));
    }

    private void Check(
        int m, int n, int k, bool transposedA, bool transposedB, float alpha, float beta, int gap, bool bfloat16A = false, bool bfloat16B = false)
    {
        using var a = new GuardedMatrix(transposedA ? k : m, transposedA ? m : k, gap, 1, bfloat16A);
        using var b = new GuardedMatrix(transposedB ? n : k, transposedB ? k : n, 2 * gap, 2, bfloat16B);
        using var c = new GuardedMatrix(m, n, gap, 3);
        Gemm.Run(_pool, m, n, k, alpha, a.Operand(transposedA, bfloat16A), b.Operand(transposedB, bfloat16B), beta, c.Data, c.Stride);
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = 0, size = 0;
                for (int p = 0; p < k; p++)
                {
                    double product = (transposedA ? a.Values[p, i] : a.Values[i, p]) * (transposedB ? b.Values[j, p] : b.Values[p, j]);
                    sum += product;
                    size += Math.Abs(product);
                }
                double expected = alpha * sum + beta * c.Values[i, j];
                double bound = (k + 4) * Math.Pow(2, -24) * (Math.Abs(alpha) * size + Math.Abs(beta));
                double found = c.Data[i * c.Stride + j];
                Assert.True(Math.Abs(found - expected) <= bound, $"[{i}, {j}] of {m}x{n}x{k} {transposedA} {transposedB}: {found}, expected {expected} +- {bound}");
            }
        }
        a.AssertGuards();
        b.AssertGuards();
        c.AssertGuards();
    }

    private struct Heads : IParallelBody
    {
        public WorkerPool Pool;
        public float* A, B, C;

        public readonly void Run(int index) =>
            Gemm.Run(Pool, 20, 40, 30, 1, new GemmOperand(A + index * 20 * 30, 30), new GemmOperand(B, 40), 0, C + index * 20 * 40, 40);
    }
}
