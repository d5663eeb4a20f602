using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>An activation f(g) = g·share(g) on processors, as data for <see cref="GatedNode{TGate}"/>: one lane, and the two widths of vectors.</summary>
internal interface IGate
{
    /// <summary>f(g)·u.</summary>
    static abstract float Of(float g, float u);

    /// <inheritdoc cref="Of(float, float)"/>
    static abstract Vector<float> Of(Vector<float> g, Vector<float> u);

    /// <inheritdoc cref="Of(float, float)"/>
    static abstract Vector512<float> Of(Vector512<float> g, Vector512<float> u);

    /// <summary>The part of g that passes.</summary>
    static abstract float Share(float g);

    /// <inheritdoc cref="Share(float)"/>
    static abstract Vector<float> Share(Vector<float> g);

    /// <inheritdoc cref="Share(float)"/>
    static abstract Vector512<float> Share(Vector512<float> g);

    /// <summary>d·f′(g).</summary>
    static abstract float Pull(float d, float g, float share);

    /// <inheritdoc cref="Pull(float, float, float)"/>
    static abstract Vector<float> Pull(Vector<float> d, Vector<float> g, Vector<float> share);

    /// <inheritdoc cref="Pull(float, float, float)"/>
    static abstract Vector512<float> Pull(Vector512<float> d, Vector512<float> g, Vector512<float> share);
}

/// <summary>y = f(g) ∘ u: checks, CPU bodies and backward of every gated activation; kernels stand with the op.</summary>
internal abstract unsafe class GatedNode<TGate> : Node where TGate : struct, IGate
{
    private const int Grain = 8192;

    private Tensor _g = null!, _u = null!;

    /// <summary>The backward kernel: (g, u, dy, dg, du, n, quads, withG, withU, moreG, moreU).</summary>
    protected abstract Kernel BackwardEach { get; }

    /// <summary>Checks, computes and records; <paramref name="forward"/> takes (g, u, y, n, quads).</summary>
    protected static Tensor Apply<TNode>(string op, Tensor g, Tensor u, Kernel forward) where TNode : GatedNode<TGate>, new()
    {
        Check.Shapes(op, g, u);
        Check.Activation(op, g, "gate");
        Check.Activation(op, u, "up");
        Tape tape = g.Tape!;
        Tensor y = tape.NewActivation(g.Shape);
        int n = g.Shape.Elements;
        if (g.Device is KernelDevice gpu)
        {
            int quads = Quads.In(n, g, u, y);
            gpu.Launch(forward, gpu.Over(n - 3L * quads), g, u, y, n, quads);
        }
        else
        {
            var body = new ForwardBody { G = g.F32, U = u.F32, Y = y.F32 };
            ((CpuDevice)g.Device).Pool.ForRange(n, Grain, ref body);
        }
        if (tape.Tracks(g, u))
        {
            var node = tape.Rent<TNode>();
            (node._g, node._u) = (node.Save(g), node.Save(u));
            tape.Record(node, y);
        }
        return y;
    }

    protected internal override void Backward(Tensor grad)
    {
        Tensor? dg = GradOf(_g, out bool moreG), du = GradOf(_u, out bool moreU);
        int n = grad.Shape.Elements;
        if (grad.Device is KernelDevice gpu)
        {
            int quads = Quads.In(n, _g, _u, grad, dg, du);
            gpu.Launch(BackwardEach, gpu.Over(n - 3L * quads), _g, _u, grad, dg, du, n, quads, dg is not null, du is not null, moreG, moreU);
            return;
        }
        var body = new BackwardBody
        {
            G = _g.F32, U = _u.F32, Dy = grad.F32, MoreG = moreG, MoreU = moreU,
            Dg = dg is null ? null : dg.F32, Du = du is null ? null : du.F32,
        };
        ((CpuDevice)grad.Device).Pool.ForRange(n, Grain, ref body);
    }

    private struct ForwardBody : IParallelRange
    {
        public float* G, U, Y;

        public readonly void Run(int start, int end)
        {
            int i = start;
            for (; Vector512.IsHardwareAccelerated && i <= end - Vector512<float>.Count; i += Vector512<float>.Count)
                TGate.Of(Vector512.Load(G + i), Vector512.Load(U + i)).Store(Y + i);
            for (; i <= end - Simd.Width; i += Simd.Width)
                TGate.Of(Vector.Load(G + i), Vector.Load(U + i)).Store(Y + i);
            for (; i < end; i++)
                Y[i] = TGate.Of(G[i], U[i]);
        }
    }

    // du = dy·f(g); dg = dy·u·f′(g)
    private struct BackwardBody : IParallelRange
    {
        public float* G, U, Dy, Dg, Du;
        public bool MoreG, MoreU;

        public readonly void Run(int start, int end)
        {
            int i = start;
            for (; Vector512.IsHardwareAccelerated && i <= end - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                Vector512<float> g = Vector512.Load(G + i), dy = Vector512.Load(Dy + i), s = TGate.Share(g);
                if (Du is not null)
                {
                    Vector512<float> d = dy * g * s;
                    (MoreU ? d + Vector512.Load(Du + i) : d).Store(Du + i);
                }
                if (Dg is not null)
                {
                    Vector512<float> d = TGate.Pull(dy * Vector512.Load(U + i), g, s);
                    (MoreG ? d + Vector512.Load(Dg + i) : d).Store(Dg + i);
                }
            }
            for (; i <= end - Simd.Width; i += Simd.Width)
            {
                Vector<float> g = Vector.Load(G + i), dy = Vector.Load(Dy + i), s = TGate.Share(g);
                if (Du is not null)
                {
                    Vector<float> d = dy * g * s;
                    (MoreU ? d + Vector.Load(Du + i) : d).Store(Du + i);
                }
                if (Dg is not null)
                {
                    Vector<float> d = TGate.Pull(dy * Vector.Load(U + i), g, s);
                    (MoreG ? d + Vector.Load(Dg + i) : d).Store(Dg + i);
                }
            }
            for (; i < end; i++)
            {
                float g = G[i], s = TGate.Share(g);
                if (Du is not null)
                    Du[i] = Dy[i] * g * s + (MoreU ? Du[i] : 0f);
                if (Dg is not null)
                    Dg[i] = TGate.Pull(Dy[i] * U[i], g, s) + (MoreG ? Dg[i] : 0f);
            }
        }
    }
}
