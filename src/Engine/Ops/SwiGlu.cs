using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>silu(g) ∘ u with silu(g) = g·σ(g); same shapes, fp32 (spec/architectures.md §2.5).</summary>
    public static Tensor SwiGlu(Tensor g, Tensor u)
    {
        Check.Shapes("swiglu", g, u);
        Check.Type("swiglu", g, "gate", DType.F32);
        Tape tape = g.Tape!;
        Tensor y = tape.New(g.Shape);
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

/// <summary>SwiGLU's reference, CPU bodies and backward.</summary>
internal sealed unsafe class SwiGluNode : Node
{
    private const int Grain = 8192;

    public Tensor G = null!, U = null!;

    public static NdArray Reference(NdArray g, NdArray u) => g.Zip(u, (a, b) => a / (1 + Math.Exp(-a)) * b);

    public static void Forward(Tensor g, Tensor u, Tensor y)
    {
        var body = new ForwardBody { G = g.F32, U = u.F32, Y = y.F32 };
        ((CpuDevice)g.Device).Pool.ForRange(g.Shape.Elements, Grain, ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        Tensor? dg = GradOf(G, out bool moreG), du = GradOf(U, out bool moreU);
        var body = new BackwardBody
        {
            G = G.F32, U = U.F32, Dy = grad.F32, MoreG = moreG, MoreU = moreU,
            Dg = dg is null ? null : dg.F32, Du = du is null ? null : du.F32,
        };
        ((CpuDevice)grad.Device).Pool.ForRange(grad.Shape.Elements, Grain, ref body);
    }

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
