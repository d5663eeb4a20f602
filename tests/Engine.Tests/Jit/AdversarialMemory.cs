using System.Numerics;
using Marrow.Engine.Jit;

#if UNOPTIMISED
namespace Marrow.Engine.Tests.Unoptimised;
#else
namespace Marrow.Engine.Tests.Jit;
#endif

internal interface ISize
{
    static abstract int Count { get; }
}

internal readonly struct FourItems : ISize
{
    private static readonly int s_half = 2;

    public static int Count => Math.Max(s_half * 2, 3);
}

/// <summary>Kernels whose result depends on when memory is read and written, on arrays and barriers, and on names.</summary>
internal static class AdversarialMemory
{
    /// <summary>Eight cells for each lane of both views; the tests have the same statements on arrays.</summary>
    [Kernel(Lanes = 32)]
    public static void Order(View<int> x, View<int> y, int n)
    {
        if (Gpu.Item >= n)
            return;
        View<int> p = x.At(Gpu.Item * 8L), q = y.At(Gpu.Item * 8L);
        p[p[0] & 7] = Raise(p, 0) + p[2];
        p[3] += p[2] = p[1] + 5;
        int i = p[4] & 3;
        p[i++] += i++ * p[i & 7];
        p[i & 7] = i = p[i & 7] & 7;
        q[Raise(q, 1) & 7] -= Raise(p, 2) + q[1] * Raise(q, i);
        int before = p[5] + Raise(p, 5) * p[5], kept = q[6];
        q[6] = kept + before;
        q[7] ^= kept + (q[6] > p[6] ? Raise(q, 6) : p[6]) + q[6];
        View<int> r = p;
        r[1] += (r = q)[2] + r[3];
        r[0] = (r[1] & 1) == 0 ? r[1]++ : --r[1];
        (p, q) = (q, p);
        p[4] = q[4] - p[4];
    }

    private static int Raise(View<int> v, int i)
    {
        v[i & 7] = (v[i & 7] & 0xfff) + 3;
        return v[i & 7];
    }

    [Kernel(Lanes = 32)]
    public static void Tiles<TSize>(View<int> x, View<int> y, int n) where TSize : struct, ISize
    {
        int item = Gpu.Item;
        if (item >= n)
            return;
        int a = x[item], sum = 0;
        for (int round = 0; round < 3; round++)
        {
            // Zero anew in each round.
            Private<int> tile = Gpu.Private<int>(TSize.Count);
            tile[(a + round) & 3] += round + 1;
            Add(ref tile[1], tile, 5);
            sum = sum * 10 + tile[0] + tile[1] * 2 + tile[2] * 3 + tile[3] * 4 + Own(a + round);
        }
        Private<int> left = Gpu.Private<int>(4), right = Gpu.Private<int>(4);
        Private<int> chosen = a > 5 ? left : right;
        chosen[2] = 7;
        left[2]++;
        Private<Vector4> vectors = Gpu.Private<Vector4>(2);
        vectors[a & 1].X += vectors[1].Y = 2f;
        vectors[0] += vectors[1];
        vectors[1] = default;
        y[item] = sum * 100 + left[2] * 10 + right[2] + chosen.At(1)[1] + (int)(vectors[0].X * 1000f + vectors[0].Y + vectors[1].Y);
    }

    private static void Add(ref int place, Private<int> tile, int value)
    {
        place += value;
        tile[0] = place + (place = tile[1] + 1) + tile[1];
    }

    private static int Own(int a)
    {
        Private<int> own = Gpu.Private<int>(3);
        own[a & 1]++;
        return own[0] + own[1] * 2 + own[2];
    }

    [Kernel(Lanes = 32)]
    public static void Waits(View<int> x, View<float> y, View<float> four)
    {
        Shared<int> s = Gpu.Shared<int>(32);
        s[Gpu.Lane] = x[Gpu.Lane];
        int sum = 0;
        for (int i = 0; i < 3; i++)
        {
            Wait();
            int next = Neighbour(s, i) + s[(Gpu.Lane + 1) & 31];
            Wait();
            s[Gpu.Lane] = next & 0xff;
            sum += next;
        }
        float first = Gpu.GroupSum(sum & 15), second = Gpu.GroupMax(first * (Gpu.Lane & 3)) - Gpu.GroupSum(Gpu.GroupSum(1f));
        y[Gpu.Lane] = first + second + sum + four.Load4(4 * (Gpu.Lane & 1)).Z * four.Load4(0).X;
    }

    [Kernel(Lanes = 32)]
    public static void Pairs<T>(View<T> x) where T : unmanaged
    {
        int i = 4 * Gpu.Item;
        x.Store2(i, x.Load(i + 1), x.Load(i) + x.Load(i + 1));
        x.Store2(i + 2, Scaled(x.Load(i + 3), 2), Scaled(x.Load(i + 2), 3) + Scaled(1f, 2));
    }

    private static float Scaled(float x, [Const(2)] int factor) => x * factor;

    private static void Wait() => Gpu.Barrier();

    private static int Neighbour(Shared<int> s, int i)
    {
        int value = s[(Gpu.Lane + 31 - i) & 31];
        Gpu.Barrier();
        return value;
    }

    [Kernel(Lanes = 32)]
    public static void Names(View<int> x, int x_first, View<int> x_base, int register, int not, int xor, [Const(3)] int typedef, [Const(4)] uint @goto, [Const(1)] bool max)
    {
        int bf16_to_f32 = Gpu.Item, float4 = x[bf16_to_f32], threadIdx = register + float4, M_PI_F = not - threadIdx;
        float INFINITY = MathF.Max(threadIdx, M_PI_F), signed = (float)(Half)INFINITY;
        int ä = Math.Min(typedef, float4), ö = xor ^ (int)signed, AdversarialMemory_Auto = Auto(ä, ö), __shared = (int)(@goto >> 1), a = 1, A = 2;
        int group_sum = Auto(AdversarialMemory_Auto, __shared), z = a - A;
        Private<int> unsigned = Gpu.Private<int>(2);
        unsigned[1] = max ? group_sum + z : 0;
        x_base[bf16_to_f32] = unsigned[0] + unsigned[1] + x_first;
    }

    private static int Auto(int auto, int union)
    {
        int inline = auto - union;
        for (int and = 0; and < 2; and++)
            inline += and * union;
        return inline;
    }
}
