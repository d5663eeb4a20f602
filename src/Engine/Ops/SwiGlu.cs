using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>silu(g) ∘ u with silu(g) = g·σ(g); same shapes (spec/architectures.md §2.5).</summary>
    public static Tensor SwiGlu(Tensor g, Tensor u) => SwiGluNode.Apply(g, u);
}

/// <summary>SwiGLU's reference and kernels.</summary>
internal sealed class SwiGluNode : GatedNode<SiluGate>
{
    private static readonly Kernel Forward = Kernel.Of(typeof(SwiGluNode), nameof(ForwardKernel)), Gradient = Kernel.Of(typeof(SwiGluNode), nameof(BackwardKernel));

    protected override Kernel BackwardEach => Gradient;

    public static NdArray Reference(NdArray g, NdArray u) => g.Zip(u, (a, b) => a / (1 + Math.Exp(-a)) * b);

    public static Tensor Apply(Tensor g, Tensor u) => Apply<SwiGluNode>("swiglu", g, u, Forward);

    [Kernel]
    private static void ForwardKernel<TG, TU, TY>(View<TG> g, View<TU> u, View<TY> y, int n, int quads) where TG : unmanaged where TU : unmanaged where TY : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            Vector4 v = g.Load4(4 * i);
            y.Store4(4 * i, v * Sigmoid(v) * u.Load4(4 * i));
        }
        else
        {
            i += 3 * quads;
            if (i < n)
                y.Store(i, g.Load(i) * Sigmoid(g.Load(i)) * u.Load(i));
        }
    }

    [Kernel]
    private static void BackwardKernel<TG, TU, TY, TDg, TDu>(View<TG> g, View<TU> u, View<TY> dy, View<TDg> dg, View<TDu> du, int n, int quads, bool withG, bool withU, bool moreG, bool moreU)
        where TG : unmanaged where TU : unmanaged where TY : unmanaged where TDg : unmanaged where TDu : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            i *= 4;
            Vector4 gate = g.Load4(i), d = dy.Load4(i), s = Sigmoid(gate), up = u.Load4(i);
            if (withU)
            {
                Vector4 v = d * gate * s;
                if (moreU)
                    v += du.Load4(i);
                du.Store4(i, v);
            }
            if (withG)
            {
                Vector4 v = d * up * s * (Vector4.One + gate * (Vector4.One - s));
                if (moreG)
                    v += dg.Load4(i);
                dg.Store4(i, v);
            }
        }
        else
        {
            i += 3 * quads;
            if (i < n)
            {
                float gate = g.Load(i), d = dy.Load(i), s = Sigmoid(gate), up = u.Load(i);
                if (withU)
                    du.Store(i, d * gate * s + (moreU ? du.Load(i) : 0f));
                if (withG)
                    dg.Store(i, d * up * s * (1f + gate * (1f - s)) + (moreG ? dg.Load(i) : 0f));
            }
        }
    }

    private static float Sigmoid(float x) => 1f / (1f + MathF.Exp(-x));

    private static Vector4 Sigmoid(Vector4 v) => new(Sigmoid(v.X), Sigmoid(v.Y), Sigmoid(v.Z), Sigmoid(v.W));
}

/// <summary>silu(g) = g·σ(g), silu′ = σ·(1 + g·(1 − σ)).</summary>
internal readonly struct SiluGate : IGate
{
    public static float Of(float g, float u) => g * Simd.Sigmoid(g) * u;

    public static Vector<float> Of(Vector<float> g, Vector<float> u) => g * u / (Vector<float>.One + Simd.Exp(-g));

    public static Vector512<float> Of(Vector512<float> g, Vector512<float> u) => g * u / (Vector512<float>.One + Simd.Exp(-g));

    public static float Share(float g) => Simd.Sigmoid(g);

    public static Vector<float> Share(Vector<float> g) => Simd.Sigmoid(g);

    public static Vector512<float> Share(Vector512<float> g) => Simd.Sigmoid(g);

    public static float Pull(float d, float g, float share) => d * share * (1f + g * (1f - share));

    public static Vector<float> Pull(Vector<float> d, Vector<float> g, Vector<float> share) => d * share * (Vector<float>.One + g * (Vector<float>.One - share));

    public static Vector512<float> Pull(Vector512<float> d, Vector512<float> g, Vector512<float> share) => d * share * (Vector512<float>.One + g * (Vector512<float>.One - share));
}
