using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// RWKV-7's bonus for the current token, y + s·v with s = Σ_j r_j·k_j·u_j over each head (spec/architectures.md §4.1, where u is r_k).
    /// y, r, k and v: [N, C]; u: fp32 with C elements.
    /// </summary>
    public static Tensor HeadBonus(Tensor y, Tensor r, Tensor k, Tensor u, Tensor v, int heads)
    {
        Check.Activation("head_bonus", y, "y");
        Check.Activation("head_bonus", r, "r");
        Check.Activation("head_bonus", k, "k");
        Check.Activation("head_bonus", v, "v");
        Check.Shapes("head_bonus", y, r);
        Check.Shapes("head_bonus", y, k);
        Check.Shapes("head_bonus", y, v);
        Check.Channels("head_bonus", u, "u", y.Shape.Last);
        Check.Heads("head_bonus", y, "y", heads);
        Tape tape = y.Tape!;
        Tensor sum = tape.NewActivation(y.Shape);
        HeadBonusNode.Forward(y, r, k, u, v, sum, heads);
        if (tape.Tracks(y, r, k) || tape.Tracks(u, v))
        {
            var node = tape.Rent<HeadBonusNode>();
            node.Keeps = tape.Tracks(r, k, u) || tape.Tracks(v);
            (node.Y, node.U, node.Heads) = (y, u, heads);
            (node.R, node.K, node.V) = node.Keeps ? (node.Save(r), node.Save(k), node.Save(v)) : (r, k, v);
            tape.Record(node, sum);
        }
        return sum;
    }
}

/// <summary>The bonus's reference, CPU bodies and backward.</summary>
internal sealed unsafe partial class HeadBonusNode : Node
{
    public Tensor Y = null!, R = null!, K = null!, U = null!, V = null!;
    public int Heads;

    /// <summary>Whether a gradient besides that of y is asked for, so that the other inputs are there.</summary>
    public bool Keeps;

    public static NdArray Reference(NdArray y, NdArray r, NdArray k, NdArray u, NdArray v, int heads)
    {
        int c = y.Shape.Last, n = c / heads;
        var result = new NdArray(y.Shape);
        for (int first = 0; first < y.Values.Length; first += n)
        {
            double s = 0;
            for (int i = first; i < first + n; i++)
                s += r.Values[i] * k.Values[i] * u.Values[i % c];
            for (int i = first; i < first + n; i++)
                result.Values[i] = y.Values[i] + s * v.Values[i];
        }
        return result;
    }

    public static void Forward(Tensor y, Tensor r, Tensor k, Tensor u, Tensor v, Tensor sum, int heads)
    {
        int n = y.Shape.Last / heads;
        if (y.Device is KernelDevice gpu)
        {
            ForwardOn(gpu, y, r, k, u, v, sum, heads, n);
            return;
        }
        var body = new ForwardBody { Y = y.F32, R = r.F32, K = k.F32, U = u.F32, V = v.F32, Sum = sum.F32, Heads = heads, N = n };
        ((CpuDevice)y.Device).Pool.ForRange(y.Shape.Rows, RowGrain(heads * n), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (Keeps && grad.Device is KernelDevice gpu)
            BackwardOn(gpu, grad);
        else if (Keeps)
            BackwardOn(((CpuDevice)grad.Device).Pool, grad);
        PassGrad(Y, grad);
    }

    private static int RowGrain(int c) => Math.Max(1, 8192 / c);

    private void BackwardOn(WorkerPool pool, Tensor grad)
    {
        int n = grad.Shape.Last / Heads, rows = grad.Shape.Rows;
        Tensor? du = SumOf(U), dr = GradOf(R, out bool moreR), dk = GradOf(K, out bool moreK), dv = GradOf(V, out bool moreV);
        var body = new BackwardBody
        {
            Dy = grad.F32, R = R.F32, K = K.F32, U = U.F32, V = V.F32, Heads = Heads, N = n, MoreR = moreR, MoreK = moreK, MoreV = moreV,
            Dr = dr is null ? null : dr.F32, Dk = dk is null ? null : dk.F32, Dv = dv is null ? null : dv.F32,
        };
        if (du is not null)
        {
            Tensor sums = ColumnSums.Partials(Tape, rows, Heads * n, out body.ChunkRows);
            body.Sums = sums.F32;
            pool.ForRange(rows, body.ChunkRows, ref body);
            ColumnSums.Finish(pool, sums, du);
        }
        else
        {
            pool.ForRange(rows, RowGrain(Heads * n), ref body);
        }
    }

    private struct ForwardBody : IParallelRange
    {
        public float* Y, R, K, U, V, Sum;
        public int Heads, N;

        public readonly void Run(int start, int end)
        {
            for (long g = (long)start * Heads; g < (long)end * Heads; g++)
            {
                long at = g * N;
                float* y = Y + at, v = V + at, sum = Sum + at;
                float s = Simd.Dot(R + at, K + at, U + g % Heads * N, N);
                Vector<float> factor = new(s);
                int i = 0;
                for (; i <= N - Simd.Width; i += Simd.Width)
                    Vector.FusedMultiplyAdd(Vector.Load(v + i), factor, Vector.Load(y + i)).Store(sum + i);
                for (; i < N; i++)
                    sum[i] = MathF.FusedMultiplyAdd(v[i], s, y[i]);
            }
        }
    }

    // ds = Σ dy∘v of a head: dr = ds·k∘u, dk = ds·r∘u, dv = s·dy, du = Σ_rows ds·r∘k, where asked for in sums of a range's rows
    private struct BackwardBody : IParallelRange
    {
        public float* Dy, R, K, U, V, Dr, Dk, Dv, Sums;
        public int Heads, N, ChunkRows;
        public bool MoreR, MoreK, MoreV;

        public readonly void Run(int start, int end)
        {
            float* sums = ColumnSums.Chunk(Sums, start, ChunkRows, Heads * N);
            for (long g = (long)start * Heads; g < (long)end * Heads; g++)
                Head(g * N, U + g % Heads * N, sums is null ? null : sums + g % Heads * N);
        }

        private readonly void Head(long at, float* u, float* sums)
        {
            float* dy = Dy + at, r = R + at, k = K + at, dr = Dr + at, dk = Dk + at, dv = Dv + at;
            float s = Dv is null ? 0f : Simd.Dot(r, k, u, N), ds = Simd.Dot(dy, V + at, N);
            int i = 0;
            for (; i <= N - Simd.Width; i += Simd.Width)
            {
                Vector<float> toR = Vector.Load(k + i) * ds, own = Vector.Load(r + i), factor = Vector.Load(u + i);
                if (sums is not null)
                    Vector.FusedMultiplyAdd(toR, own, Vector.Load(sums + i)).Store(sums + i);
                if (Dr is not null)
                    (MoreR ? toR * factor + Vector.Load(dr + i) : toR * factor).Store(dr + i);
                if (Dk is not null)
                {
                    Vector<float> d = own * ds * factor;
                    (MoreK ? d + Vector.Load(dk + i) : d).Store(dk + i);
                }
                if (Dv is not null)
                {
                    Vector<float> d = Vector.Load(dy + i) * s;
                    (MoreV ? d + Vector.Load(dv + i) : d).Store(dv + i);
                }
            }
            for (; i < N; i++)
            {
                if (sums is not null)
                    sums[i] = MathF.FusedMultiplyAdd(k[i] * ds, r[i], sums[i]);
                if (Dr is not null)
                    dr[i] = k[i] * ds * u[i] + (MoreR ? dr[i] : 0f);
                if (Dk is not null)
                    dk[i] = r[i] * ds * u[i] + (MoreK ? dk[i] : 0f);
                if (Dv is not null)
                    dv[i] = dy[i] * s + (MoreV ? dv[i] : 0f);
            }
        }
    }
}
