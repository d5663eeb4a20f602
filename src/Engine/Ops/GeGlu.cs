using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>gelu(g) ∘ u with gelu(g) = ½·g·(1 + tanh(√(2/π)·(g + 0.044715·g³))); same shapes (spec/architectures.md §2.5).</summary>
    public static Tensor GeGlu(Tensor g, Tensor u)
    {
        Check.Shapes("geglu", g, u);
        Check.Activation("geglu", g, "gate");
        Check.Activation("geglu", u, "up");
        Tape tape = g.Tape!;
        Tensor y = tape.NewActivation(g.Shape);
        GeGluNode.Forward(g, u, y);
        if (tape.Tracks(g, u))
        {
            var node = tape.Rent<GeGluNode>();
            (node.G, node.U) = (node.Save(g), node.Save(u));
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>GeGLU's reference, bodies and backward.</summary>
internal sealed unsafe class GeGluNode : Node
{
    private const int Grain = 8192;
    private const float Root = 0.7978845608f, Cubic = 0.044715f;

    private static readonly Kernel ForwardEach = Kernel.Of(typeof(GeGluNode), nameof(ForwardKernel)), BackwardEach = Kernel.Of(typeof(GeGluNode), nameof(BackwardKernel));

    public Tensor G = null!, U = null!;

    public static NdArray Reference(NdArray g, NdArray u) => g.Zip(u, (a, b) => 0.5 * a * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (a + 0.044715 * a * a * a))) * b);

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
    private static float Share(float g) => 1f / (1f + MathF.Exp(-2f * Root * g * (1f + Cubic * g * g)));

    private static Vector4 Share(Vector4 v) => new(Share(v.X), Share(v.Y), Share(v.Z), Share(v.W));

    // d gelu / dg: s + g·s', s' = 2·s·(1 − s)·z'
    private static float Slope(float g, float share) => share * (1f + 2f * Root * g * (1f - share) * (1f + 3f * Cubic * g * g));

    private static Vector<float> Share(Vector<float> g)
    {
        Vector<float> z = g * (2f * Root) * Vector.FusedMultiplyAdd(g * g, new Vector<float>(Cubic), Vector<float>.One);
        return Simd.Sigmoid(z);
    }

    private static Vector<float> Slope(Vector<float> g, Vector<float> share)
    {
        Vector<float> inner = Vector.FusedMultiplyAdd(g * g, new Vector<float>(3f * Cubic), Vector<float>.One);
        return share * Vector.FusedMultiplyAdd(g * (2f * Root) * (Vector<float>.One - share), inner, Vector<float>.One);
    }

    private struct ForwardBody : IParallelRange
    {
        public float* G, U, Y;

        public readonly void Run(int start, int end)
        {
            int i = start;
            for (; i <= end - Simd.Width; i += Simd.Width)
            {
                Vector<float> g = Vector.Load(G + i);
                (g * Share(g) * Vector.Load(U + i)).Store(Y + i);
            }
            for (; i < end; i++)
                Y[i] = G[i] * Share(new Vector<float>(G[i]))[0] * U[i];
        }
    }

    // du = dy·gelu(g); dg = dy·u·gelu'(g)
    private struct BackwardBody : IParallelRange
    {
        public float* G, U, Dy, Dg, Du;
        public bool MoreG, MoreU;

        public readonly void Run(int start, int end)
        {
            int i = start;
            for (; i <= end - Simd.Width; i += Simd.Width)
            {
                Vector<float> g = Vector.Load(G + i), dy = Vector.Load(Dy + i), s = Share(g);
                if (Du is not null)
                {
                    Vector<float> d = dy * g * s;
                    (MoreU ? d + Vector.Load(Du + i) : d).Store(Du + i);
                }
                if (Dg is not null)
                {
                    Vector<float> d = dy * Vector.Load(U + i) * Slope(g, s);
                    (MoreG ? d + Vector.Load(Dg + i) : d).Store(Dg + i);
                }
            }
            for (; i < end; i++)
            {
                Vector<float> g = new(G[i]), s = Share(g);
                if (Du is not null)
                    Du[i] = Dy[i] * G[i] * s[0] + (MoreU ? Du[i] : 0f);
                if (Dg is not null)
                    Dg[i] = Dy[i] * U[i] * Slope(g, s)[0] + (MoreG ? Dg[i] : 0f);
            }
        }
    }
}
