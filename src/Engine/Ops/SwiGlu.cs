using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>silu(g) ∘ u with silu(g) = g·σ(g); same shapes (spec/architectures.md §2.5).</summary>
    public static Tensor SwiGlu(Tensor g, Tensor u)
    {
        Check.Shapes("swiglu", g, u);
        Check.Activation("swiglu", g, "gate");
        Check.Activation("swiglu", u, "up");
        Tape tape = g.Tape!;
        Tensor y = tape.NewActivation(g.Shape);
        SwiGluNode.Forward(g, u, y);
        if (tape.Tracks(g, u))
        {
            var node = tape.Rent<SwiGluNode>();
            (node.G, node.U) = (node.Save(g), node.Save(u));
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>SwiGLU's reference, bodies and backward.</summary>
internal sealed unsafe class SwiGluNode : Node
{
    private const int Grain = 8192;

    private static readonly Kernel ForwardEach = Kernel.Of(typeof(SwiGluNode), nameof(ForwardKernel)), BackwardEach = Kernel.Of(typeof(SwiGluNode), nameof(BackwardKernel));

    public Tensor G = null!, U = null!;

    public static NdArray Reference(NdArray g, NdArray u) => g.Zip(u, (a, b) => a / (1 + Math.Exp(-a)) * b);

    public static void Forward(Tensor g, Tensor u, Tensor y)
    {
        if (g.Device is KernelDevice gpu)
        {
            int n = g.Shape.Elements, quads = Quads.In(n, g, u, y);
            gpu.Launch(ForwardEach, gpu.Over(n - 3L * quads), g, u, y, n, quads);
            return;
        }
        var body = new ForwardBody { G = g.F32, U = u.F32, Y = y.F32 };
        ((CpuDevice)g.Device).Pool.ForRange(g.Shape.Elements, Grain, ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        Tensor? dg = GradOf(G, out bool moreG), du = GradOf(U, out bool moreU);
        if (grad.Device is KernelDevice gpu)
        {
            int n = grad.Shape.Elements, quads = Quads.In(n, G, U, grad, dg, du);
            gpu.Launch(BackwardEach, gpu.Over(n - 3L * quads), G, U, grad, dg, du, n, quads, dg is not null, du is not null, moreG, moreU);
            return;
        }
        var body = new BackwardBody
        {
            G = G.F32, U = U.F32, Dy = grad.F32, MoreG = moreG, MoreU = moreU,
            Dg = dg is null ? null : dg.F32, Du = du is null ? null : du.F32,
        };
        ((CpuDevice)grad.Device).Pool.ForRange(grad.Shape.Elements, Grain, ref body);
    }

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

    private struct ForwardBody : IParallelRange
    {
        public float* G, U, Y;

        public readonly void Run(int start, int end)
        {
            int i = start;
            for (; Vector512.IsHardwareAccelerated && i <= end - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                Vector512<float> g = Vector512.Load(G + i);
                (g * Vector512.Load(U + i) / (Vector512<float>.One + Simd.Exp(-g))).Store(Y + i);
            }
            for (; i <= end - Simd.Width; i += Simd.Width)
            {
                Vector<float> g = Vector.Load(G + i);
                (g * Vector.Load(U + i) / (Vector<float>.One + Simd.Exp(-g))).Store(Y + i);
            }
            for (; i < end; i++)
                Y[i] = G[i] * Simd.Sigmoid(G[i]) * U[i];
        }
    }

    // du = dy·silu(g); dg = dy·u·σ(g)·(1 + g·(1 − σ(g)))
    private struct BackwardBody : IParallelRange
    {
        public float* G, U, Dy, Dg, Du;
        public bool MoreG, MoreU;

        public readonly void Run(int start, int end)
        {
            int i = start;
            for (; Vector512.IsHardwareAccelerated && i <= end - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                Vector512<float> g = Vector512.Load(G + i), dy = Vector512.Load(Dy + i), s = Vector512<float>.One / (Vector512<float>.One + Simd.Exp(-g));
                if (Du is not null)
                {
                    Vector512<float> d = dy * g * s;
                    (MoreU ? d + Vector512.Load(Du + i) : d).Store(Du + i);
                }
                if (Dg is not null)
                {
                    Vector512<float> d = dy * Vector512.Load(U + i) * s * (Vector512<float>.One + g * (Vector512<float>.One - s));
                    (MoreG ? d + Vector512.Load(Dg + i) : d).Store(Dg + i);
                }
            }
            for (; i <= end - Simd.Width; i += Simd.Width)
            {
                Vector<float> g = Vector.Load(G + i), dy = Vector.Load(Dy + i), s = Simd.Sigmoid(g);
                if (Du is not null)
                {
                    Vector<float> d = dy * g * s;
                    (MoreU ? d + Vector.Load(Du + i) : d).Store(Du + i);
                }
                if (Dg is not null)
                {
                    Vector<float> d = dy * Vector.Load(U + i) * s * (Vector<float>.One + g * (Vector<float>.One - s));
                    (MoreG ? d + Vector.Load(Dg + i) : d).Store(Dg + i);
                }
            }
            for (; i < end; i++)
            {
                float g = G[i], s = Simd.Sigmoid(g);
                if (Du is not null)
                    Du[i] = Dy[i] * g * s + (MoreU ? Du[i] : 0f);
                if (Dg is not null)
                    Dg[i] = Dy[i] * U[i] * s * (1f + g * (1f - s)) + (MoreG ? Dg[i] : 0f);
            }
        }
    }
}
