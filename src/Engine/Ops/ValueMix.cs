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
        Tensor? dv0 = SumOf(V0), dv = GradOf(V, out bool moreV), df = GradOf(First, out bool moreFirst), dx = GradOf(X, out bool moreX);
        bool gate = dv0 is not null || dx is not null;
        var body = new BackwardBody
        {
            Dy = grad.F32, V = gate ? V.F32 : null, First = gate ? First.F32 : null, X = X.F32, V0 = V0.F32, C = c, Gate = gate, MoreV = moreV, MoreFirst = moreFirst, MoreX = moreX,
            Dv = dv is null ? null : dv.F32, Df = df is null ? null : df.F32, Dx = dx is null ? null : dx.F32,
        };
        if (dv0 is not null)
        {
            Tensor sums = ColumnSums.Partials(Tape, rows, c, out body.ChunkRows);
            body.Sums = sums.F32;
            pool.ForRange(rows, body.ChunkRows, ref body);
            ColumnSums.Finish(pool, sums, dv0);
        }
        else if (dv is not null || df is not null || dx is not null)
        {
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

    // s = σ(v0 + x): dv = dy∘(1 − s), dfirst = dy∘s, dx = dy∘(first − v)∘s∘(1 − s), dv0 = Σ_rows dx, where asked for in sums of a range's rows
    private struct BackwardBody : IParallelRange
    {
        public float* Dy, V, First, X, V0, Dv, Df, Dx, Sums;
        public bool Gate, MoreV, MoreFirst, MoreX;
        public int C, ChunkRows;

        public readonly void Run(int start, int end)
        {
            float* sums = ColumnSums.Chunk(Sums, start, ChunkRows, C);
            for (int row = start; row < end; row++)
                Row((long)row * C, sums);
        }

        private readonly void Row(long at, float* sums)
        {
            float* dy = Dy + at, v = V + at, first = First + at, x = X + at, dv = Dv + at, df = Df + at, dx = Dx + at;
            int i = 0;
            for (; i <= C - Simd.Width; i += Simd.Width)
            {
                Vector<float> s = Simd.Sigmoid(Vector.Load(V0 + i) + Vector.Load(x + i)), g = Vector.Load(dy + i), toFirst = g * s, toOwn = g - toFirst;
                if (Dv is not null)
                    (MoreV ? toOwn + Vector.Load(dv + i) : toOwn).Store(dv + i);
                if (Df is not null)
                    (MoreFirst ? toFirst + Vector.Load(df + i) : toFirst).Store(df + i);
                if (!Gate)
                    continue;
                Vector<float> d = (Vector.Load(first + i) - Vector.Load(v + i)) * toFirst * (Vector<float>.One - s);
                if (Dx is not null)
                    (MoreX ? d + Vector.Load(dx + i) : d).Store(dx + i);
                if (sums is not null)
                    (d + Vector.Load(sums + i)).Store(sums + i);
            }
            for (; i < C; i++)
            {
                float s = Simd.Sigmoid(V0[i] + x[i]), toFirst = dy[i] * s, d = Gate ? (first[i] - v[i]) * toFirst * (1f - s) : 0f;
                if (Dv is not null)
                    dv[i] = dy[i] - toFirst + (MoreV ? dv[i] : 0f);
                if (Df is not null)
                    df[i] = toFirst + (MoreFirst ? df[i] : 0f);
                if (Dx is not null)
                    dx[i] = d + (MoreX ? dx[i] : 0f);
                if (sums is not null)
                    sums[i] += d;
            }
        }
    }
}
