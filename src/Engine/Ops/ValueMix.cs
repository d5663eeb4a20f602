using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// RWKV-7's value residual v + (first − v)∘σ(v0 + x), first the values of the first layer (spec/architectures.md §4.1).
    /// v, first and x: [N, C]; v0: fp32 with C elements.
    /// </summary>
    public static Tensor ValueMix(Tensor v, Tensor first, Tensor x, Tensor v0)
    {
        Check.Activation("value_mix", v, "v");
        Check.Activation("value_mix", first, "first");
        Check.Activation("value_mix", x, "x");
        Check.Shapes("value_mix", v, first);
        Check.Shapes("value_mix", v, x);
        Check.Channels("value_mix", v0, "v0", v.Shape.Last);
        Tape tape = v.Tape!;
        Tensor y = tape.NewActivation(v.Shape);
        ValueMixNode.Forward(v, first, x, v0, y);
        if (tape.Tracks(v, first) || tape.Tracks(x, v0))
        {
            // The gradients of v and first need the gate only.
            var node = tape.Rent<ValueMixNode>();
            bool keep = x.NeedsGrad || v0.NeedsGrad;
            (node.V, node.First, node.X, node.V0) = (keep ? node.Save(v) : v, keep ? node.Save(first) : first, node.Save(x), v0);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The value residual's reference, CPU bodies and backward, which computes the gate again instead of keeping it.</summary>
internal sealed unsafe partial class ValueMixNode : Node
{
    public Tensor V = null!, First = null!, X = null!, V0 = null!;

    public static NdArray Reference(NdArray v, NdArray first, NdArray x, NdArray v0)
    {
        var y = new NdArray(v.Shape);
        for (int i = 0; i < y.Values.Length; i++)
            y.Values[i] = v.Values[i] + (first.Values[i] - v.Values[i]) / (1 + Math.Exp(-x.Values[i] - v0.Values[i % v0.Values.Length]));
        return y;
    }

    public static void Forward(Tensor v, Tensor first, Tensor x, Tensor v0, Tensor y)
    {
        if (v.Device is KernelDevice gpu)
        {
            ForwardOn(gpu, v, first, x, v0, y);
            return;
        }
        int c = v.Shape.Last;
        var body = new ForwardBody { V = v.F32, First = first.F32, X = x.F32, V0 = v0.F32, Y = y.F32, C = c };
        ((CpuDevice)v.Device).Pool.ForRange(v.Shape.Rows, RowGrain(c), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (grad.Device is KernelDevice gpu)
        {
            BackwardOn(gpu, grad);
            return;
        }
        int c = grad.Shape.Last, rows = grad.Shape.Rows;
        WorkerPool pool = ((CpuDevice)grad.Device).Pool;
        if (SumOf(V0) is { } dv0)
        {
            var body = new BiasBody { Dy = grad.F32, V = V.F32, First = First.F32, X = X.F32, V0 = V0.F32, Dv0 = dv0.F32, C = c, Rows = rows };
            pool.ForRange(c, 64, ref body);
        }
        Tensor? dv = GradOf(V, out bool moreV), df = GradOf(First, out bool moreFirst), dx = GradOf(X, out bool moreX);
        if (dv is not null || df is not null || dx is not null)
        {
            var body = new InputBody
            {
                Dy = grad.F32, V = dx is null ? null : V.F32, First = dx is null ? null : First.F32, X = X.F32, V0 = V0.F32, C = c,
                Dv = dv is null ? null : dv.F32, Df = df is null ? null : df.F32, Dx = dx is null ? null : dx.F32, MoreV = moreV, MoreFirst = moreFirst, MoreX = moreX,
            };
            pool.ForRange(rows, RowGrain(c), ref body);
        }
    }

    private static int RowGrain(int c) => Math.Max(1, 8192 / c);

    private struct ForwardBody : IParallelRange
    {
        public float* V, First, X, V0, Y;
        public int C;

        public readonly void Run(int start, int end)
        {
            for (int row = start; row < end; row++)
            {
                long at = (long)row * C;
                float* v = V + at, first = First + at, x = X + at, y = Y + at;
                int i = 0;
                for (; i <= C - Simd.Width; i += Simd.Width)
                {
                    Vector<float> own = Vector.Load(v + i);
                    Vector.FusedMultiplyAdd(Vector.Load(first + i) - own, Simd.Sigmoid(Vector.Load(V0 + i) + Vector.Load(x + i)), own).Store(y + i);
                }
                for (; i < C; i++)
                    y[i] = MathF.FusedMultiplyAdd(first[i] - v[i], Simd.Sigmoid(V0[i] + x[i]), v[i]);
            }
        }
    }

    // s = σ(v0 + x): dv = dy∘(1 − s), dfirst = dy∘s, dx = dy∘(first − v)∘s∘(1 − s)
    private struct InputBody : IParallelRange
    {
        public float* Dy, V, First, X, V0, Dv, Df, Dx;
        public bool MoreV, MoreFirst, MoreX;
        public int C;

        public readonly void Run(int start, int end)
        {
            for (int row = start; row < end; row++)
            {
                long at = (long)row * C;
                float* dy = Dy + at, v = V + at, first = First + at, x = X + at, dv = Dv + at, df = Df + at, dx = Dx + at;
                int i = 0;
                for (; i <= C - Simd.Width; i += Simd.Width)
                {
                    Vector<float> s = Simd.Sigmoid(Vector.Load(V0 + i) + Vector.Load(x + i)), g = Vector.Load(dy + i), toFirst = g * s, toOwn = g - toFirst;
                    if (Dv is not null)
                        (MoreV ? toOwn + Vector.Load(dv + i) : toOwn).Store(dv + i);
                    if (Df is not null)
                        (MoreFirst ? toFirst + Vector.Load(df + i) : toFirst).Store(df + i);
                    if (Dx is not null)
                    {
                        Vector<float> d = (Vector.Load(first + i) - Vector.Load(v + i)) * toFirst * (Vector<float>.One - s);
                        (MoreX ? d + Vector.Load(dx + i) : d).Store(dx + i);
                    }
                }
                for (; i < C; i++)
                {
                    float s = Simd.Sigmoid(V0[i] + x[i]), toFirst = dy[i] * s;
                    if (Dv is not null)
                        dv[i] = dy[i] - toFirst + (MoreV ? dv[i] : 0f);
                    if (Df is not null)
                        df[i] = toFirst + (MoreFirst ? df[i] : 0f);
                    if (Dx is not null)
                        dx[i] = (first[i] - v[i]) * toFirst * (1f - s) + (MoreX ? dx[i] : 0f);
                }
            }
        }
    }

    // dv0 += Σ_rows dx, a range of columns at a time so that the order of the sum never changes
    private struct BiasBody : IParallelRange
    {
        public float* Dy, V, First, X, V0, Dv0;
        public int C, Rows;

        public readonly void Run(int start, int end)
        {
            for (int row = 0; row < Rows; row++)
            {
                long at = (long)row * C;
                float* dy = Dy + at, v = V + at, first = First + at, x = X + at;
                int i = start;
                for (; i <= end - Simd.Width; i += Simd.Width)
                {
                    Vector<float> s = Simd.Sigmoid(Vector.Load(V0 + i) + Vector.Load(x + i));
                    (Vector.Load(Dv0 + i) + Vector.Load(dy + i) * (Vector.Load(first + i) - Vector.Load(v + i)) * s * (Vector<float>.One - s)).Store(Dv0 + i);
                }
                for (; i < end; i++)
                {
                    float s = Simd.Sigmoid(V0[i] + x[i]);
                    Dv0[i] += dy[i] * (first[i] - v[i]) * s * (1f - s);
                }
            }
        }
    }
}
