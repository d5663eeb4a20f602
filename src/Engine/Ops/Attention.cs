using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>What attention needs besides its tensors.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key and value heads, each shared by Heads / KvHeads consecutive query heads.</param>
/// <param name="HeadDim">Channels of a head.</param>
/// <param name="Scale">Factor on the scores, usually HeadDim^−½.</param>
/// <param name="Window">How many positions a query sees, itself included; null for all before it.</param>
public readonly record struct AttentionShape(int Heads, int KvHeads, int HeadDim, float Scale, int? Window = null);

public static partial class Ops
{
    /// <summary>
    /// Causal attention inside each sequence of a concatenated batch: o = softmax(scale·q·kᵀ)·v, with grouped heads and an optional
    /// window (spec/architectures.md §2.2–2.5). q: [N, Heads·d], k and v: [N, KvHeads·d], fp32; starts: [S+1] i32, the first row of
    /// each sequence and N. Scores exist for one block of one head at a time.
    /// </summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor starts, AttentionShape shape)
    {
        Check.LastDim("attention", q, "q", shape.Heads * shape.HeadDim);
        Check.LastDim("attention", k, "k", shape.KvHeads * shape.HeadDim);
        Check.Shapes("attention", k, v);
        Check.True("attention", q.Shape.Rows == k.Shape.Rows, $"q ({q}) and k ({k}) must have the same rows.");
        Check.True("attention", shape.Heads % shape.KvHeads == 0, $"{shape.KvHeads} key heads do not divide {shape.Heads} query heads.");
        Tape tape = q.Tape!;
        Tensor o = tape.New(q.Shape), lse = tape.New(new Shape(shape.Heads, q.Shape.Rows));
        AttentionNode.Forward(q, k, v, starts, o, lse, shape, 0);
        if (tape.Tracks(q, k, v))
        {
            var node = tape.Rent<AttentionNode>();
            (node.Q, node.K, node.V, node.Starts) = (node.Save(q), node.Save(k), node.Save(v), node.Save(starts));
            (node.O, node.Lse, node.Form) = (node.Save(o), node.Save(lse), shape);
            tape.Record(node, o);
        }
        return o;
    }

    /// <summary>
    /// Attention of new rows over a cache, for generation: row i of q stands at position <paramref name="first"/> + i and sees the
    /// cache's rows up to its own. q: [n, Heads·d]; k and v: [capacity, KvHeads·d] with first + n rows filled. No backward.
    /// </summary>
    public static Tensor CachedAttention(Tensor q, Tensor k, Tensor v, int first, AttentionShape shape)
    {
        Check.LastDim("attention", q, "q", shape.Heads * shape.HeadDim);
        Check.LastDim("attention", k, "k", shape.KvHeads * shape.HeadDim);
        Check.True("attention", first + q.Shape.Rows <= k.Shape.Rows, $"{first} + {q.Shape.Rows} positions do not fit a cache of {k.Shape.Rows}.");
        Tape tape = q.Tape!;
        int scope = tape.Open();
        Tensor o = tape.New(q.Shape), lse = tape.New(new Shape(shape.Heads, q.Shape.Rows));
        AttentionNode.Forward(q, k, v, tape.Upload([0, first + q.Shape.Rows]), o, lse, shape, first);
        return tape.Close(scope, o);
    }
}

/// <summary>Attention's reference, blocked CPU bodies and backward.</summary>
internal sealed unsafe class AttentionNode : Node
{
    private const int QueryBlock = 64, KeyBlock = 512;

    public Tensor Q = null!, K = null!, V = null!, O = null!, Lse = null!, Starts = null!;
    public AttentionShape Form;

    public static NdArray Reference(NdArray q, NdArray k, NdArray v, int[] starts, AttentionShape f)
    {
        int d = f.HeadDim, group = f.Heads / f.KvHeads;
        var o = new NdArray(q.Shape);
        for (int s = 0; s + 1 < starts.Length; s++)
        {
            for (int t = starts[s]; t < starts[s + 1]; t++)
            {
                int from = Math.Max(starts[s], f.Window is { } w ? t - w + 1 : 0);
                for (int h = 0; h < f.Heads; h++)
                {
                    int qc = h * d, kc = h / group * d;
                    var p = new double[t - from + 1];
                    for (int u = from; u <= t; u++)
                        for (int i = 0; i < d; i++)
                            p[u - from] += f.Scale * q[t, qc + i] * k[u, kc + i];
                    double max = p.Max(), sum = p.Sum(x => Math.Exp(x - max));
                    for (int u = from; u <= t; u++)
                        for (int i = 0; i < d; i++)
                            o[t, qc + i] += Math.Exp(p[u - from] - max) / sum * v[u, kc + i];
                }
            }
        }
        return o;
    }

    public static void Forward(Tensor q, Tensor k, Tensor v, Tensor starts, Tensor o, Tensor lse, AttentionShape form, int cached)
    {
        WorkerPool pool = ((CpuDevice)q.Device).Pool;
        var body = new ForwardBody { Blocks = new Blocks(q, k, v, starts, lse, form, pool), O = o.F32, First = cached };
        pool.For(form.Heads * body.Blocks.QueryBlocks(cached), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        WorkerPool pool = ((CpuDevice)grad.Device).Pool;
        var body = new BackwardBody
        {
            Blocks = new Blocks(Q, K, V, Starts, Lse, Form, pool), O = O.F32, Do = grad.F32,
            Dq = Place(SumOf(Q)), Dk = Place(SumOf(K)), Dv = Place(SumOf(V)),
        };
        pool.For(Form.KvHeads * body.Blocks.Sequences, ref body);
    }

    private static float* Place(Tensor? gradient) => gradient is null ? null : gradient.F32;

    /// <summary>The walk over query and key blocks that forward and backward share.</summary>
    private readonly struct Blocks(Tensor q, Tensor k, Tensor v, Tensor starts, Tensor lse, AttentionShape form, WorkerPool pool)
    {
        public readonly float* Q = q.F32, K = k.F32, V = v.F32, Lse = lse.F32;
        public readonly int* Starts = starts.I32;
        public readonly int Sequences = starts.Shape.Elements - 1, Rows = lse.Shape.Last;
        public readonly AttentionShape Form = form;
        public readonly WorkerPool Pool = pool;

        public int QWidth => Form.Heads * Form.HeadDim;

        public int KvWidth => Form.KvHeads * Form.HeadDim;

        public int Group => Form.Heads / Form.KvHeads;

        public int QueryBlocks(int first)
        {
            int n = 0;
            for (int s = 0; s < Sequences; s++)
                n += (Starts[s + 1] - Starts[s] - first + QueryBlock - 1) / QueryBlock;
            return n;
        }

        /// <summary>The sequence and first position of query block <paramref name="block"/>.</summary>
        public (int Sequence, int Position) Locate(int block, int first)
        {
            int s = 0;
            for (; ; s++)
            {
                int n = (Starts[s + 1] - Starts[s] - first + QueryBlock - 1) / QueryBlock;
                if (block < n)
                    break;
                block -= n;
            }
            return (s, Starts[s] + first + block * QueryBlock);
        }

        public int FirstKey(int sequence, int position) =>
            Form.Window is { } w ? Math.Max(Starts[sequence], position - w + 1) : Starts[sequence];

        /// <summary>Writes −∞ where query t0 + i may not see key u0 + j. scores: [rows, ld].</summary>
        public void Mask(float* scores, int rows, int keys, int ld, int t0, int u0)
        {
            for (int i = 0; i < rows; i++)
            {
                int t = t0 + i;
                float* row = scores + (long)i * ld;
                if (t < u0 + keys - 1)
                    new Span<float>(row + Math.Max(0, t - u0 + 1), keys - Math.Max(0, t - u0 + 1)).Fill(float.NegativeInfinity);
                if (Form.Window is { } w && t - w + 1 > u0)
                    new Span<float>(row, Math.Min(keys, t - w + 1 - u0)).Fill(float.NegativeInfinity);
            }
        }
    }

    // One query block of one head: a running maximum and sum over key blocks.
    private struct ForwardBody : IParallelBody
    {
        public Blocks Blocks;
        public float* O;
        public int First;

        public readonly void Run(int index)
        {
            int h = index % Blocks.Form.Heads, d = Blocks.Form.HeadDim;
            (int s, int t0) = Blocks.Locate(index / Blocks.Form.Heads, First);
            int t1 = Math.Min(t0 + QueryBlock, Blocks.Starts[s + 1]), rows = t1 - t0;
            using ScratchSet.Lease lease = Blocks.Pool.Scratch.Rent((QueryBlock * KeyBlock + 2 * QueryBlock) * sizeof(float));
            float* scores = (float*)lease.Data, max = scores + QueryBlock * KeyBlock, sum = max + QueryBlock;
            float* q = Blocks.Q + (long)(t0 - First) * Blocks.QWidth + h * d, o = O + (long)(t0 - First) * Blocks.QWidth + h * d;
            new Span<float>(max, rows).Fill(float.NegativeInfinity);
            new Span<float>(sum, rows).Clear();
            int kv = h / Blocks.Group * d, from = Blocks.FirstKey(s, t0);
            for (int u0 = from; u0 < t1; u0 += KeyBlock)
            {
                int keys = Math.Min(KeyBlock, t1 - u0);
                Gemm.RunSerial(Blocks.Pool, rows, keys, d, Blocks.Form.Scale, new GemmOperand(q, Blocks.QWidth), new GemmOperand(Blocks.K + (long)u0 * Blocks.KvWidth + kv, Blocks.KvWidth, true), 0f, scores, keys);
                Blocks.Mask(scores, rows, keys, keys, t0, u0);
                for (int i = 0; i < rows; i++)
                    Fold(scores + (long)i * keys, keys, ref max[i], ref sum[i], o + (long)i * Blocks.QWidth, d);
                Gemm.RunSerial(Blocks.Pool, rows, d, keys, 1f, new GemmOperand(scores, keys), new GemmOperand(Blocks.V + (long)u0 * Blocks.KvWidth + kv, Blocks.KvWidth), u0 == from ? 0f : 1f, o, Blocks.QWidth);
            }
            for (int i = 0; i < rows; i++)
            {
                Simd.Scale(o + (long)i * Blocks.QWidth, 1f / sum[i], d);
                Blocks.Lse[(long)h * Blocks.Rows + t0 - First + i] = max[i] + MathF.Log(sum[i]);
            }
        }

        // A row's scores become weights relative to the new maximum; what was summed before is rescaled to it.
        private static void Fold(float* scores, int keys, ref float max, ref float sum, float* o, int d)
        {
            float m = MathF.Max(max, Simd.Max(scores, keys));
            if (m == float.NegativeInfinity)
            {
                new Span<float>(scores, keys).Clear();
                return;
            }
            if (sum > 0 && m > max)
            {
                float shrink = Simd.Exp(max - m);
                sum *= shrink;
                Simd.Scale(o, shrink, d);
            }
            max = m;
            sum += Simd.ExpSum(scores, 1f, m, keys);
        }
    }

    // One key head of one sequence with all query heads that read it, so that dk and dv have one writer.
    private struct BackwardBody : IParallelBody
    {
        public Blocks Blocks;
        public float* O, Do, Dq, Dk, Dv;

        public readonly void Run(int index)
        {
            int kvHead = index % Blocks.Form.KvHeads, s = index / Blocks.Form.KvHeads;
            using ScratchSet.Lease lease = Blocks.Pool.Scratch.Rent(2 * QueryBlock * KeyBlock * sizeof(float));
            for (int t0 = Blocks.Starts[s]; t0 < Blocks.Starts[s + 1]; t0 += QueryBlock)
            {
                int t1 = Math.Min(t0 + QueryBlock, Blocks.Starts[s + 1]);
                for (int h = kvHead * Blocks.Group; h < (kvHead + 1) * Blocks.Group; h++)
                    for (int u0 = Blocks.FirstKey(s, t0); u0 < t1; u0 += KeyBlock)
                        RunBlock(h, kvHead, t0, t1 - t0, u0, Math.Min(KeyBlock, t1 - u0), (float*)lease.Data);
            }
        }

        // p = exp(s − lse), dv += pᵀ·do, ds = p∘(do·vᵀ − Σ do∘o), dq += scale·ds·k, dk += scale·dsᵀ·q
        private readonly void RunBlock(int h, int kvHead, int t0, int rows, int u0, int keys, float* p)
        {
            int d = Blocks.Form.HeadDim, qw = Blocks.QWidth, kw = Blocks.KvWidth;
            float scale = Blocks.Form.Scale;
            float* dp = p + QueryBlock * KeyBlock;
            long qAt = (long)t0 * qw + h * d, kAt = (long)u0 * kw + kvHead * d;
            WorkerPool pool = Blocks.Pool;
            Gemm.RunSerial(pool, rows, keys, d, scale, new GemmOperand(Blocks.Q + qAt, qw), new GemmOperand(Blocks.K + kAt, kw, true), 0f, p, keys);
            Blocks.Mask(p, rows, keys, keys, t0, u0);
            float* lse = Blocks.Lse + (long)h * Blocks.Rows + t0;
            for (int i = 0; i < rows; i++)
                Simd.ExpSum(p + (long)i * keys, 1f, lse[i], keys);
            if (Dv is not null)
                Gemm.RunSerial(pool, keys, d, rows, 1f, new GemmOperand(p, keys, true), new GemmOperand(Do + qAt, qw), 1f, Dv + kAt, kw);
            if (Dq is null && Dk is null)
                return;
            Gemm.RunSerial(pool, rows, keys, d, 1f, new GemmOperand(Do + qAt, qw), new GemmOperand(Blocks.V + kAt, kw, true), 0f, dp, keys);
            for (int i = 0; i < rows; i++)
                Simd.ScoreGradient(dp + (long)i * keys, p + (long)i * keys, Simd.Dot(Do + qAt + (long)i * qw, O + qAt + (long)i * qw, d), keys);
            if (Dq is not null)
                Gemm.RunSerial(pool, rows, d, keys, scale, new GemmOperand(dp, keys), new GemmOperand(Blocks.K + kAt, kw), 1f, Dq + qAt, qw);
            if (Dk is not null)
                Gemm.RunSerial(pool, keys, d, rows, scale, new GemmOperand(dp, keys, true), new GemmOperand(Blocks.Q + qAt, qw), 1f, Dk + kAt, kw);
        }
    }
}
