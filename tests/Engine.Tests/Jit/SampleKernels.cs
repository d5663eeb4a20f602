using System.Numerics;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

#if UNOPTIMISED
namespace Marrow.Engine.Tests.Unoptimised;
#else
namespace Marrow.Engine.Tests.Jit;
#endif

internal interface ITile
{
    static abstract int Rows { get; }

    static abstract int Depth { get; }
}

internal readonly struct SmallTile : ITile
{
    public static int Rows => 4;

    public static int Depth => 16;
}

internal interface IUnary
{
    static abstract float Of(float x);
}

internal readonly struct Silu : IUnary
{
    public static float Of(float x) => x / (1f + MathF.Exp(-x));
}

internal readonly struct Ramp : IUnary
{
    public static float Of(float x) => x > 0f ? x : 0f;
}

/// <summary>Kernels that use every construct the translator knows. This file is compiled twice, with and without the C# optimiser.</summary>
internal static class SampleKernels
{
    [Kernel(Lanes = 64)]
    public static void RowNorm<T>(View<T> x, View<float> w, View<T> y, View<float> rstd, int n, float eps) where T : unmanaged
    {
        View<T> from = x.At((long)Gpu.Group * n), to = y.At((long)Gpu.Group * n);
        float sum = 0f;
        for (int i = Gpu.Lane; i < n; i += Gpu.Lanes)
        {
            float v = from.Load(i);
            sum += v * v;
        }
        float r = 1f / MathF.Sqrt(Gpu.GroupSum(sum) / n + eps);
        if (Gpu.Lane == 0)
            rstd[Gpu.Group] = r;
        for (int i = Gpu.Lane; i < n; i += Gpu.Lanes)
            to.Store(i, from.Load(i) * r * w[i]);
    }

    [Kernel(Lanes = 64)]
    public static void TiledProduct<TTile>(View<float> a, View<float> b, View<float> c, int m, int n, int k) where TTile : struct, ITile
    {
        // 64 lanes: 8 × 8, each TTile.Rows × TTile.Rows of c
        const int side = 8;
        int edge = side * TTile.Rows;
        Shared<float> left = Gpu.Shared<float>(edge * TTile.Depth), right = Gpu.Shared<float>(edge * TTile.Depth);
        Private<float> acc = Gpu.Private<float>(TTile.Rows * TTile.Rows);
        int row0 = Gpu.GroupY * edge, column0 = Gpu.Group * edge, tx = Gpu.Lane % side, ty = Gpu.Lane / side;
        for (int kt = 0; kt < k; kt += TTile.Depth)
        {
            for (int at = Gpu.Lane; at < edge * TTile.Depth; at += Gpu.Lanes)
            {
                int i = at / TTile.Depth, p = at % TTile.Depth;
                left[at] = row0 + i < m && kt + p < k ? a[(row0 + i) * k + kt + p] : 0f;
                int j = at % edge, q = at / edge;
                right[at] = kt + q < k && column0 + j < n ? b[(kt + q) * n + column0 + j] : 0f;
            }
            Gpu.Barrier();
            for (int p = 0; p < TTile.Depth; p++)
            {
                for (int i = 0; i < TTile.Rows; i++)
                {
                    float av = left[(ty * TTile.Rows + i) * TTile.Depth + p];
                    for (int j = 0; j < TTile.Rows; j++)
                        acc[i * TTile.Rows + j] = MathF.FusedMultiplyAdd(av, right[p * edge + tx * TTile.Rows + j], acc[i * TTile.Rows + j]);
                }
            }
            Gpu.Barrier();
        }
        for (int i = 0; i < TTile.Rows; i++)
        {
            for (int j = 0; j < TTile.Rows; j++)
            {
                int row = row0 + ty * TTile.Rows + i, column = column0 + tx * TTile.Rows + j;
                if (row < m && column < n)
                    c[row * n + column] += acc[i * TTile.Rows + j];
            }
        }
    }

    [Kernel(Lanes = 1)]
    public static void OnlineSoftmax(View<float> x, View<float> y, int n)
    {
        int row = Gpu.Group;
        float max = float.NegativeInfinity, sum = 0f;
        for (int i = 0; i < n; i++)
        {
            float v = x[row * n + i];
            if (v == float.NegativeInfinity)
                continue;
            if (float.IsNaN(v))
                break;
            if (v > max)
            {
                sum = sum * MathF.Exp(max - v) + 1f;
                max = v;
            }
            else
            {
                sum += MathF.Exp(v - max);
            }
        }
        for (int i = 0; i < n; i++)
            y[row * n + i] = MathF.Exp(x[row * n + i] - max) / sum;
    }

    [Kernel(Lanes = 64)]
    public static void Map<T, TOp>(View<T> x, View<T> y, int n, [Const(1)] bool squared) where T : unmanaged where TOp : struct, IUnary
    {
        int i = Gpu.Item;
        if (i >= n)
            return;
        float v = TOp.Of(x.Load(i));
        y.Store(i, squared ? v * v : v);
    }

    [Kernel(Lanes = 32)]
    public static void Bits(View<uint> x, View<int> y, View<ulong> wide, int n)
    {
        int i = Gpu.Item;
        if (i < n)
        {
            uint v = x[i];
            ulong h = SplitMix64.Mix(((ulong)v << 7) + (ulong)i);
            wide[i] = h;
            int signed = (int)v >> 3;
            y[i] = (int)(v >> 5) ^ signed ^ BitOperations.PopCount(v) ^ (int)(h >> 40) ^ (v > 0x80000000u ? 1 : 2) ^ (int)(v / 7u) ^ (signed / 7) ^ (signed % 5) ^ (int)(v % 5u) ^ (byte)v ^ (sbyte)(v >> 4) ^ ~signed;
        }
    }

    [Kernel(Lanes = 32)]
    public static void Vectors<T>(View<T> x, View<T> y, int n, float factor) where T : unmanaged
    {
        int i = Gpu.Item * 4;
        Vector4 bias = new(1f, 2f, 3f, 4f), total = Vector4.Zero;
        if (i + 3 < n)
        {
            Vector4 v = x.Load4(i);
            total += v * factor + bias;
            total.X += v.W;
            y.Store4(i, total / new Vector4(2f) * (factor - 2f));
        }
        else
        {
            for (int j = i; j < n; j++)
                y.Store(j, x.Load(j));
        }
    }

    [Kernel(Lanes = 64)]
    public static void Histogram(View<int> x, View<int> counts, View<int> largest, int n)
    {
        Shared<int> bins = Gpu.Shared<int>(16);
        if (Gpu.Lane < 16)
            bins[Gpu.Lane] = 0;
        Gpu.Barrier();
        for (int i = Gpu.Item; i < n; i += Gpu.Lanes * Gpu.Groups)
        {
            Gpu.AtomicAdd(ref bins[x[i] & 15], 1);
            Gpu.AtomicMax(ref largest[0], x[i]);
        }
        Gpu.Barrier();
        if (Gpu.Lane < 16 && bins[Gpu.Lane] > 0)
            Gpu.AtomicAdd(ref counts[Gpu.Lane], bins[Gpu.Lane]);
    }

    [Kernel(Lanes = 32)]
    public static void Flow(View<int> x, View<int> y, int n)
    {
        int i = Gpu.Item;
        if (i >= n)
            return;
        int v = x[i], steps = 0;
        // Collatz: a while loop with an if, a break and a nested loop with a continue
        while (v != 1)
        {
            if ((v & 1) == 0)
                v >>= 1;
            else
                v = 3 * v + 1;
            if (++steps > 100 || v < 0)
                break;
        }
        int odd = 0;
        for (int a = 0; a < 5; a++)
        {
            for (int b = 0; b < 3; b++)
            {
                if (((a + b) & 1) == 0)
                    continue;
                odd += a * b;
            }
            if (odd > 12 && steps > 3)
                break;
        }
        int low, high;
        Split(v + odd, out low, out high);
        do
        {
            low += high > 0 ? 1 : -1;
            high--;
        }
        while (high > 0);
        y[i] = steps * 1000 + low + (Between(v, 0, n) && steps < 7 || odd == 2 ? 500 : 0);
    }

    [Kernel(Lanes = 32)]
    public static void WarpProduct(View<BFloat16> a, View<BFloat16> b, View<float> c, [Const(0)] bool aTransposed, [Const(0)] bool bTransposed)
    {
        // c [32, 16] = a [32, 16] · b [16, 16]
        Shared<BFloat16> left = Gpu.Shared<BFloat16>(40 * 40), right = Gpu.Shared<BFloat16>(40 * 40);
        Private<float> acc = Gpu.Private<float>(2 * 2 * 4);
        for (int at = Gpu.Lane; at < 32 * 16; at += Gpu.Lanes)
        {
            int i = at / 16, k = at % 16;
            left[aTransposed ? k * 40 + i : i * 40 + k] = a[at];
        }
        for (int at = Gpu.Lane; at < 16 * 16; at += Gpu.Lanes)
        {
            int k = at / 16, j = at % 16;
            right[bTransposed ? k * 40 + j : j * 40 + k] = b[at];
        }
        Gpu.Barrier();
        Gpu.WarpMultiply(left, 40, aTransposed, right, 40, bTransposed, acc, 2, 2);
        for (int r = 0; r < 2; r++)
            for (int s = 0; s < 2; s++)
                for (int v = 0; v < 4; v++)
                    c[(16 * r + Gpu.Lane / 4 + 8 * (v / 2)) * 16 + 8 * s + 2 * (Gpu.Lane % 4) + v % 2] = acc[(r * 2 + s) * 4 + v];
    }

    private static bool Between(int v, int low, int high) => v >= low && v < high;

    private static void Split(int v, out int low, out int high)
    {
        low = v & 3;
        high = (v >> 2) & 3;
    }
}
