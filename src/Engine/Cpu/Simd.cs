using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Marrow.Engine.Cpu;

/// <summary>Row loops that several ops share, on the processor's vectors, fp32.</summary>
internal static unsafe class Simd
{
    /// <summary>Floats in one vector.</summary>
    public static int Width => Vector<float>.Count;

    /// <summary>Σ a·b.</summary>
    public static float Dot(float* a, float* b, int n)
    {
        Vector<float> s0 = default, s1 = default;
        int w = Width, i = 0;
        for (; i <= n - 2 * w; i += 2 * w)
        {
            s0 = Vector.FusedMultiplyAdd(Vector.Load(a + i), Vector.Load(b + i), s0);
            s1 = Vector.FusedMultiplyAdd(Vector.Load(a + i + w), Vector.Load(b + i + w), s1);
        }
        for (; i <= n - w; i += w)
            s0 = Vector.FusedMultiplyAdd(Vector.Load(a + i), Vector.Load(b + i), s0);
        float sum = Vector.Sum(s0 + s1);
        for (; i < n; i++)
            sum = MathF.FusedMultiplyAdd(a[i], b[i], sum);
        return sum;
    }

    /// <summary>Σ a·b·c.</summary>
    public static float Dot(float* a, float* b, float* c, int n)
    {
        Vector<float> s0 = default, s1 = default;
        int w = Width, i = 0;
        for (; i <= n - 2 * w; i += 2 * w)
        {
            s0 = Vector.FusedMultiplyAdd(Vector.Load(a + i) * Vector.Load(b + i), Vector.Load(c + i), s0);
            s1 = Vector.FusedMultiplyAdd(Vector.Load(a + i + w) * Vector.Load(b + i + w), Vector.Load(c + i + w), s1);
        }
        for (; i <= n - w; i += w)
            s0 = Vector.FusedMultiplyAdd(Vector.Load(a + i) * Vector.Load(b + i), Vector.Load(c + i), s0);
        float sum = Vector.Sum(s0 + s1);
        for (; i < n; i++)
            sum = MathF.FusedMultiplyAdd(a[i] * b[i], c[i], sum);
        return sum;
    }

    /// <summary>y += x.</summary>
    public static void Add(float* y, float* x, long n)
    {
        int w = Width;
        long i = 0;
        for (; i <= n - w; i += w)
            (Vector.Load(y + i) + Vector.Load(x + i)).Store(y + i);
        for (; i < n; i++)
            y[i] += x[i];
    }

    /// <summary>y += factor·x.</summary>
    public static void AddScaled(float* y, float* x, float factor, int n)
    {
        int w = Width, i = 0;
        Vector<float> f = new(factor);
        for (; i <= n - w; i += w)
            Vector.FusedMultiplyAdd(Vector.Load(x + i), f, Vector.Load(y + i)).Store(y + i);
        for (; i < n; i++)
            y[i] = MathF.FusedMultiplyAdd(x[i], factor, y[i]);
    }

    /// <summary>y = a + b.</summary>
    public static void Sum(float* y, float* a, float* b, long n)
    {
        int w = Width;
        long i = 0;
        for (; i <= n - w; i += w)
            (Vector.Load(a + i) + Vector.Load(b + i)).Store(y + i);
        for (; i < n; i++)
            y[i] = a[i] + b[i];
    }

    /// <summary>x *= s.</summary>
    public static void Scale(float* x, float s, int n)
    {
        int w = Width, i = 0;
        for (; i <= n - w; i += w)
            (Vector.Load(x + i) * s).Store(x + i);
        for (; i < n; i++)
            x[i] *= s;
    }

    /// <summary>y *= x, element by element.</summary>
    public static void Multiply(float* y, float* x, int n)
    {
        int w = Width, i = 0;
        for (; i <= n - w; i += w)
            (Vector.Load(y + i) * Vector.Load(x + i)).Store(y + i);
        for (; i < n; i++)
            y[i] *= x[i];
    }

    /// <summary>The largest value; −∞ for an empty row.</summary>
    public static float Max(float* x, int n)
    {
        int w = Width, i = 0;
        float max = float.NegativeInfinity;
        if (n >= w)
        {
            Vector<float> m0 = Vector.Load(x), m1 = m0, m2 = m0, m3 = m0;
            for (; i <= n - 4 * w; i += 4 * w)
            {
                m0 = Vector.MaxNative(m0, Vector.Load(x + i));
                m1 = Vector.MaxNative(m1, Vector.Load(x + i + w));
                m2 = Vector.MaxNative(m2, Vector.Load(x + i + 2 * w));
                m3 = Vector.MaxNative(m3, Vector.Load(x + i + 3 * w));
            }
            for (; i <= n - w; i += w)
                m0 = Vector.MaxNative(m0, Vector.Load(x + i));
            m0 = Vector.MaxNative(Vector.MaxNative(m0, m1), Vector.MaxNative(m2, m3));
            for (int lane = 0; lane < w; lane++)
                max = MathF.Max(max, m0[lane]);
        }
        for (; i < n; i++)
            max = MathF.Max(max, x[i]);
        return max;
    }

    /// <summary>x = exp(x·scale − shift), in place; returns the sum of the results.</summary>
    public static float ExpSum(float* x, float scale, float shift, int n)
    {
        int w = Width, i = 0;
        float total = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<float> wide0 = default, wide1 = default, s = Vector512.Create(scale), m = Vector512.Create(-shift);
            for (; i <= n - 32; i += 32)
            {
                Vector512<float> e0 = Exp(Vector512.FusedMultiplyAdd(Vector512.Load(x + i), s, m)), e1 = Exp(Vector512.FusedMultiplyAdd(Vector512.Load(x + i + 16), s, m));
                e0.Store(x + i);
                e1.Store(x + i + 16);
                wide0 += e0;
                wide1 += e1;
            }
            total = Vector512.Sum(wide0 + wide1);
        }
        Vector<float> sum = default, factor = new(scale), move = new(-shift);
        for (; i <= n - w; i += w)
        {
            Vector<float> e = Exp(Vector.FusedMultiplyAdd(Vector.Load(x + i), factor, move));
            e.Store(x + i);
            sum += e;
        }
        total += Vector.Sum(sum);
        for (; i < n; i++)
        {
            x[i] = Exp(x[i] * scale - shift);
            total += x[i];
        }
        return total;
    }

    /// <summary>to[j, i] = from[i, j] for <paramref name="rows"/> rows of <paramref name="columns"/> values; strides count values.</summary>
    public static void Transpose(float* from, int strideFrom, int rows, int columns, float* to, int strideTo)
    {
        if (Vector512.IsHardwareAccelerated)
            GemmPack<Lanes512, Vector512<float>>.Transposed(from, strideFrom, columns, rows, to, strideTo);
        else if (Vector256.IsHardwareAccelerated)
            GemmPack<Lanes256, Vector256<float>>.Transposed(from, strideFrom, columns, rows, to, strideTo);
        else
            GemmPack<Lanes128, Vector128<float>>.Transposed(from, strideFrom, columns, rows, to, strideTo);
    }

    /// <summary>dp = p·(dp − c): softmax's backward of one row.</summary>
    public static void ScoreGradient(float* dp, float* p, float c, int n)
    {
        int w = Width, i = 0;
        Vector<float> vc = new(c);
        for (; i <= n - w; i += w)
            (Vector.Load(p + i) * (Vector.Load(dp + i) - vc)).Store(dp + i);
        for (; i < n; i++)
            dp[i] = p[i] * (dp[i] - c);
    }

    /// <summary>
    /// e^x to about one unit in the last place: 2^n·p(r) with |r| ≤ ln2/2 and a polynomial of degree six.
    /// Results that would be subnormal are 0, so that −∞ gives 0.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Exp(Vector<float> x)
    {
        Vector<float> tiny = new(-87.33654f);
        Vector<float> c = Vector.MinNative(Vector.MaxNative(x, tiny), new Vector<float>(88.72283f));
        Vector<float> magic = new(12582912f); // adding 1.5·2^23 rounds to the nearest integer
        Vector<float> shifted = Vector.FusedMultiplyAdd(c, new Vector<float>(1.44269504f), magic);
        Vector<float> n = shifted - magic;
        Vector<float> r = Vector.FusedMultiplyAdd(n, new Vector<float>(-0.693359375f), c);
        r = Vector.FusedMultiplyAdd(n, new Vector<float>(2.12194440e-4f), r);
        Vector<float> p = new(1.3888889e-3f);
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(8.3333333e-3f));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(4.1666668e-2f));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(1.6666667e-1f));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(0.5f));
        p = Vector.FusedMultiplyAdd(p, r, Vector<float>.One);
        p = Vector.FusedMultiplyAdd(p, r, Vector<float>.One);
        // Half of the exponent at a time: 2^128 itself is not a float.
        Vector<int> whole = Vector.ConvertToInt32(n);
        Vector<int> half = Vector.ShiftRightArithmetic(whole, 1);
        Vector<float> low = Vector.AsVectorSingle((half + new Vector<int>(127)) << 23);
        Vector<float> high = Vector.AsVectorSingle((whole - half + new Vector<int>(127)) << 23);
        Vector<float> y = p * low * high;
        y = Vector.ConditionalSelect(Vector.LessThan(x, tiny), Vector<float>.Zero, y);
        // max() drops a NaN on some processors: hand it on.
        return Vector.ConditionalSelect(Vector.Equals(x, x), y, x);
    }

    /// <summary>The same on 512 bits, where one instruction scales by 2^n.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        Vector512<float> c = Vector512.MinNative(Vector512.MaxNative(x, Vector512.Create(-87.33654f)), Vector512.Create(88.72283f));
        Vector512<float> magic = Vector512.Create(12582912f);
        Vector512<float> n = Vector512.FusedMultiplyAdd(c, Vector512.Create(1.44269504f), magic) - magic;
        Vector512<float> r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), c);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
        Vector512<float> p = Vector512.FusedMultiplyAdd(Vector512.Create(1.3888889e-3f), r, Vector512.Create(8.3333333e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1666668e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666667e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(0.5f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        Vector512<float> y = Avx512F.Scale(p, n);
        y = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(-87.33654f)), Vector512<float>.Zero, y);
        return Vector512.ConditionalSelect(Vector512.Equals(x, x), y, x);
    }

    /// <summary>The scalar twin of <see cref="Exp(Vector{float})"/>, for row ends.</summary>
    public static float Exp(float x) => Exp(new Vector<float>(x))[0];

    /// <summary>1 / (1 + e^−x).</summary>
    public static float Sigmoid(float x) => 1f / (1f + Exp(-x));

    /// <summary>1 / (1 + e^−x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Sigmoid(Vector<float> x) => Vector<float>.One / (Vector<float>.One + Exp(-x));

    /// <inheritdoc cref="Sigmoid(Vector{float})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sigmoid(Vector512<float> x) => Vector512<float>.One / (Vector512<float>.One + Exp(-x));

    /// <summary>tanh x to about two units in the last place: an odd polynomial of degree eleven up to 5/8, 1 − 2 / (e^2x + 1) beyond.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Tanh(Vector<float> x)
    {
        Vector<float> size = Vector.Abs(x), z = x * x, p = new(-5.71704531e-3f);
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(2.06505876e-2f));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(-5.37434982e-2f));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(1.33314913e-1f));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(-3.33332839e-1f));
        Vector<float> near = Vector.FusedMultiplyAdd(p * z, x, x);
        Vector<float> far = Vector.CopySign(Vector<float>.One - new Vector<float>(2f) / (Exp(size + size) + Vector<float>.One), x);
        return Vector.ConditionalSelect(Vector.LessThan(size, new Vector<float>(0.625f)), near, far);
    }

    /// <summary>The same on 512 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Tanh(Vector512<float> x)
    {
        Vector512<float> size = Vector512.Abs(x), z = x * x, p = Vector512.Create(-5.71704531e-3f);
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(2.06505876e-2f));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(-5.37434982e-2f));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1.33314913e-1f));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(-3.33332839e-1f));
        Vector512<float> near = Vector512.FusedMultiplyAdd(p * z, x, x);
        Vector512<float> far = Vector512.CopySign(Vector512<float>.One - Vector512.Create(2f) / (Exp(size + size) + Vector512<float>.One), x);
        return Vector512.ConditionalSelect(Vector512.LessThan(size, Vector512.Create(0.625f)), near, far);
    }
}
