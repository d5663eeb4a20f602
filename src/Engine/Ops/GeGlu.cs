using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>gelu(g) ∘ u with gelu(g) = ½·g·(1 + tanh(√(2/π)·(g + 0.044715·g³))); same shapes (spec/architectures.md §2.5).</summary>
    public static Tensor GeGlu(Tensor g, Tensor u) => GeGluNode.Apply(g, u);
}

/// <summary>GeGLU's reference and kernels.</summary>
internal sealed class GeGluNode : GatedNode<GeluGate>
{
    private static readonly Kernel Forward = Kernel.Of(typeof(GeGluNode), nameof(ForwardKernel)), Gradient = Kernel.Of(typeof(GeGluNode), nameof(BackwardKernel));

    protected override Kernel BackwardEach => Gradient;

    public static NdArray Reference(NdArray g, NdArray u) => g.Zip(u, (a, b) => 0.5 * a * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (a + 0.044715 * a * a * a))) * b);

    public static Tensor Apply(Tensor g, Tensor u) => Apply<GeGluNode>("geglu", g, u, Forward);

    [Kernel]
    private static void ForwardKernel<TG, TU, TY>(View<TG> g, View<TU> u, View<TY> y, int n, int quads) where TG : unmanaged where TU : unmanaged where TY : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            Vector4 v = g.Load4(4 * i);
            y.Store4(4 * i, v * Share(v) * u.Load4(4 * i));
        }
        else
        {
            i += 3 * quads;
            if (i < n)
                y.Store(i, g.Load(i) * Share(g.Load(i)) * u.Load(i));
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
            Vector4 gate = g.Load4(i), d = dy.Load4(i), share = Share(gate), up = u.Load4(i);
            if (withU)
            {
                Vector4 v = d * gate * share;
                if (moreU)
                    v += du.Load4(i);
                du.Store4(i, v);
            }
            if (withG)
            {
                Vector4 v = d * up * new Vector4(Slope(gate.X, share.X), Slope(gate.Y, share.Y), Slope(gate.Z, share.Z), Slope(gate.W, share.W));
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
                float gate = g.Load(i), d = dy.Load(i), share = Share(gate), up = u.Load(i);
                if (withU)
                    du.Store(i, d * gate * share + (moreU ? du.Load(i) : 0f));
                if (withG)
                    dg.Store(i, d * up * Slope(gate, share) + (moreG ? dg.Load(i) : 0f));
            }
        }
    }

    // The part of g that passes: ½·(1 + tanh z) = σ(2z), which loses nothing where it is small.
    // As GeluGate.Share.
    private static float Share(float g) => 1f / (1f + MathF.Exp(-2f * GeluGate.Root * g * (1f + GeluGate.Cubic * g * g)));

    private static Vector4 Share(Vector4 v) => new(Share(v.X), Share(v.Y), Share(v.Z), Share(v.W));

    private static float Slope(float g, float share) => share * (1f + 2f * GeluGate.Root * g * (1f - share) * (1f + 3f * GeluGate.Cubic * g * g));
}

/// <summary>gelu(g) = g·s with s = ½·(1 + tanh z) = σ(2z), which loses nothing where it is small; gelu′ = s + g·s′, s′ = 2·s·(1 − s)·z′.</summary>
internal readonly struct GeluGate : IGate
{
    public const float Root = 0.7978845608f, Cubic = 0.044715f;

    public static float Of(float g, float u) => g * Share(g) * u;

    public static Vector<float> Of(Vector<float> g, Vector<float> u) => g * Share(g) * u;

    public static Vector512<float> Of(Vector512<float> g, Vector512<float> u) => g * Share(g) * u;

    public static float Share(float g) => Share(new Vector<float>(g))[0];

    public static Vector<float> Share(Vector<float> g) =>
        Simd.Sigmoid(g * (2f * Root) * Vector.FusedMultiplyAdd(g * g, new Vector<float>(Cubic), Vector<float>.One));

    public static Vector512<float> Share(Vector512<float> g) =>
        Simd.Sigmoid(g * (2f * Root) * Vector512.FusedMultiplyAdd(g * g, Vector512.Create(Cubic), Vector512<float>.One));

    public static float Pull(float d, float g, float share) => d * Slope(new Vector<float>(g), new Vector<float>(share))[0];

    public static Vector<float> Pull(Vector<float> d, Vector<float> g, Vector<float> share) => d * Slope(g, share);

    public static Vector512<float> Pull(Vector512<float> d, Vector512<float> g, Vector512<float> share)
    {
        Vector512<float> inner = Vector512.FusedMultiplyAdd(g * g, Vector512.Create(3f * Cubic), Vector512<float>.One);
        return d * (share * Vector512.FusedMultiplyAdd(g * (2f * Root) * (Vector512<float>.One - share), inner, Vector512<float>.One));
    }

    private static Vector<float> Slope(Vector<float> g, Vector<float> share)
    {
        Vector<float> inner = Vector.FusedMultiplyAdd(g * g, new Vector<float>(3f * Cubic), Vector<float>.One);
        return share * Vector.FusedMultiplyAdd(g * (2f * Root) * (Vector<float>.One - share), inner, Vector<float>.One);
    }
}
