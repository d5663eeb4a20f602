using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>What attention needs besides its tensors.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key and value heads, each shared by Heads / KvHeads consecutive query heads.</param>
/// <param name="HeadDim">Channels of a head.</param>
/// <param name="Scale">Factor on the scores, usually HeadDim^−½.</param>
/// <param name="Window">How many positions a query sees, itself included; null for all before it.</param>
/// <param name="Cap">Scores s become Cap·tanh(s / Cap) before they are masked; 0 for none.</param>
public readonly record struct AttentionShape(int Heads, int KvHeads, int HeadDim, float Scale, int? Window = null, float Cap = 0f);

public static partial class Ops
{
    /// <summary>
    /// Causal attention inside each sequence of a concatenated batch: o = softmax(scale·q·kᵀ)·v, with grouped heads, an optional
    /// window and an optional soft cap of the scores (spec/architectures.md §2.2–2.5). q: [N, Heads·d], k and v: [N, KvHeads·d], fp32, or bf16 on devices that run kernels; starts:
    /// [S+1] i32, the first row of each sequence and N. Scores exist for one block of one head at a time.
    /// </summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor starts, AttentionShape shape)
    {
        CheckAttention(q, k, v, shape);
        Check.True("attention", q.Shape.Rows == k.Shape.Rows, $"q ({q}) and k ({k}) must have the same rows.");
        Tape tape = q.Tape!;
        Tensor o = tape.New(q.Shape, q.DType), lse = tape.New(new Shape(shape.Heads, q.Shape.Rows));
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
        CheckAttention(q, k, v, shape);
        Check.True("attention", first + q.Shape.Rows <= k.Shape.Rows, $"{first} + {q.Shape.Rows} positions do not fit a cache of {k.Shape.Rows}.");
        Tape tape = q.Tape!;
        int scope = tape.Open();
        Tensor o = tape.New(q.Shape, q.DType);
        if (tape.Device is KernelDevice gpu && q.Shape.Rows <= AttentionNode.FewRows)
        {
            AttentionNode.LaunchCached(gpu, q, k, v, o, first, shape);
            return tape.Close(scope, o);
        }
        Tensor lse = tape.New(new Shape(shape.Heads, q.Shape.Rows));
        AttentionNode.Forward(q, k, v, tape.Upload([0, tape.Device is KernelDevice ? q.Shape.Rows : first + q.Shape.Rows]), o, lse, shape, first);
        return tape.Close(scope, o);
    }

    private static void CheckAttention(Tensor q, Tensor k, Tensor v, AttentionShape shape)
    {
        Check.LastDim("attention", q, "q", shape.Heads * shape.HeadDim);
        Check.LastDim("attention", k, "k", shape.KvHeads * shape.HeadDim);
        Check.Shapes("attention", k, v);
        Check.Type("attention", q, "q", DType.F32, q.Device is KernelDevice ? DType.BF16 : null);
        Check.Type("attention", k, "k", q.DType);
        Check.Type("attention", v, "v", q.DType);
        Check.True("attention", shape.Heads % shape.KvHeads == 0, $"{shape.KvHeads} key heads do not divide {shape.Heads} query heads.");
        Check.True("attention", shape.Cap >= 0, $"the soft cap is {shape.Cap}, it must be above 0, or 0 for none.");
    }
}

/// <summary>Attention's reference, blocked CPU bodies and backward.</summary>
internal sealed unsafe partial class AttentionNode : Node
{
    // Transposed keys lie a little more than a block apart: at a power of two their rows would share few cache sets.
    // A task takes a range of queries of one head; blocks of scores within it stay in the second-level cache.
    private const int QueryRange = 512, QueryBlock = 64, KeyBlock = 512, KeyStride = KeyBlock + 16;

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
                    for (int u = 0; f.Cap > 0 && u < p.Length; u++)
                        p[u] = f.Cap * Math.Tanh(p[u] / f.Cap);
                    double max = p.Max(), sum = p.Sum(x => Math.Exp(x - max));
                    for (int u = from; u <= t; u++)
                        for (int i = 0; i < d; i++)
                            o[t, qc + i] += Math.Exp(p[u - from] - max) / sum * v[u, kc + i];
                }
            }
        }
        return o;
    }

    public static void Forward(Tensor q, Tensor k, Tensor v, Tensor starts, Tensor o, Tensor lse, AttentionShape form, int first)
    {
        if (q.Device is KernelDevice gpu)
        {
            LaunchForward(gpu, q, k, v, starts, o, lse, form, first, UsesUnits(gpu, q, form));
            return;
        }
        WorkerPool pool = ((CpuDevice)q.Device).Pool;
        var body = new ForwardBody { Walk = new Walk(q, k, v, starts, lse, form, pool), O = o.F32, First = first };
        pool.For(form.Heads * body.Walk.Ranges(first), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (grad.Device is KernelDevice gpu)
        {
            LaunchBackward(gpu, grad);
            return;
        }
        WorkerPool pool = ((CpuDevice)grad.Device).Pool;
        var body = new BackwardBody
        {
            Walk = new Walk(Q, K, V, Starts, Lse, Form, pool), O = O.F32, Do = grad.F32,
            Dq = Place(SumOf(Q)), Dk = Place(SumOf(K)), Dv = Place(SumOf(V)),
        };
        pool.For(Form.KvHeads * body.Walk.Sequences, ref body);
    }

    private static int Stride(int keys) => (keys + 15) / 16 * 16 + 16;

    private static float* Place(Tensor? gradient) => gradient is null ? null : gradient.F32;

    /// <summary>The tensors and the walk over sequences and blocks that forward and backward share.</summary>
    private readonly struct Walk(Tensor q, Tensor k, Tensor v, Tensor starts, Tensor lse, AttentionShape form, WorkerPool pool)
    {
        public readonly float* Q = q.F32, K = k.F32, V = v.F32, Lse = lse.F32;
        public readonly int* Starts = starts.I32;
        public readonly int Sequences = starts.Shape.Elements - 1, Rows = lse.Shape.Last;
        public readonly AttentionShape Form = form;
        public readonly WorkerPool Pool = pool;

        public int Group => Form.Heads / Form.KvHeads;

        public int QueryWidth => Form.Heads * Form.HeadDim;

        public int KeyWidth => Form.KvHeads * Form.HeadDim;

        /// <summary>Query ranges of all sequences, whose first <paramref name="first"/> positions have no query.</summary>
        public int Ranges(int first)
        {
            int n = 0;
            for (int s = 0; s < Sequences; s++)
                n += RangesOf(s, first);
            return n;
        }

        /// <summary>The sequence of a query range, and its first and last query.</summary>
        public (int Sequence, int From, int To) Locate(int range, int first)
        {
            int s = 0;
            for (; range >= RangesOf(s, first); s++)
                range -= RangesOf(s, first);
            int from = Starts[s] + first + range * QueryRange;
            return (s, from, Math.Min(from + QueryRange, Starts[s + 1]));
        }

        /// <summary>The first key that query <paramref name="t"/> sees.</summary>
        public int FirstKey(int sequence, int t) => Form.Window is { } w ? Math.Max(Starts[sequence], t - w + 1) : Starts[sequence];

        /// <summary>Writes −∞ where query t0 + i may not see key u0 + j. scores: [rows, keys].</summary>
        public void Mask(float* scores, int rows, int keys, int t0, int u0)
        {
            for (int i = 0; i < rows; i++)
            {
                float* row = scores + (long)i * keys;
                int visible = Math.Clamp(t0 + i - u0 + 1, 0, keys), gone = Form.Window is { } w ? Math.Clamp(t0 + i - w + 1 - u0, 0, keys) : 0;
                new Span<float>(row + visible, keys - visible).Fill(float.NegativeInfinity);
                new Span<float>(row, gone).Fill(float.NegativeInfinity);
            }
        }

        private int RangesOf(int s, int first) => (Starts[s + 1] - Starts[s] - first + QueryRange - 1) / QueryRange;
    }

    // A range of queries of one head: each query keeps a running maximum and sum while blocks of keys pass by.
    private struct ForwardBody : IParallelBody
    {
        public Walk Walk;
        public float* O;
        public int First;

        public readonly void Run(int index)
        {
            int h = index % Walk.Form.Heads, d = Walk.Form.HeadDim, width = Walk.QueryWidth;
            (int s, int from, int to) = Walk.Locate(index / Walk.Form.Heads, First);
            using ScratchSet.Lease lease = Walk.Pool.Scratch.Rent((nuint)(QueryBlock * KeyBlock + d * KeyStride + 2 * QueryRange) * sizeof(float));
            float* scores = (float*)lease.Data, keysT = scores + QueryBlock * KeyBlock, max = keysT + d * KeyStride, sum = max + QueryRange;
            long at = (long)(from - First) * width + h * d;
            new Span<float>(max, to - from).Fill(float.NegativeInfinity);
            new Span<float>(sum, to - from).Clear();
            for (int t = 0; t < to - from; t++)
                new Span<float>(O + at + (long)t * width, d).Clear();
            for (int u0 = Walk.FirstKey(s, from); u0 < to; u0 += KeyBlock)
            {
                int count = Math.Min(KeyBlock, to - u0), stride = Stride(count);
                long keyAt = (long)u0 * Walk.KeyWidth + h / Walk.Group * d;
                // One transposition serves every block of queries.
                Simd.Transpose(Walk.K + keyAt, Walk.KeyWidth, count, d, keysT, stride);
                for (int t0 = from; t0 < to; t0 += QueryBlock)
                {
                    int t1 = Math.Min(t0 + QueryBlock, to), keys = Math.Min(count, t1 - u0);
                    if (keys <= 0 || u0 + keys <= Walk.FirstKey(s, t0))
                        continue;
                    long rowAt = at + (long)(t0 - from) * width;
                    Gemm.RunSerial(Walk.Pool, t1 - t0, keys, d, Walk.Form.Scale, new GemmOperand(Walk.Q + rowAt, width), new GemmOperand(keysT, stride), 0f, scores, keys);
                    if (Walk.Form.Cap > 0)
                        SoftCapNode.Bend(scores, null, Walk.Form.Cap, (t1 - t0) * keys);
                    Walk.Mask(scores, t1 - t0, keys, t0, u0);
                    for (int t = t0; t < t1; t++)
                        Fold(scores + (long)(t - t0) * keys, keys, ref max[t - from], ref sum[t - from], O + at + (long)(t - from) * width, d);
                    Gemm.RunSerial(Walk.Pool, t1 - t0, d, keys, 1f, new GemmOperand(scores, keys), new GemmOperand(Walk.V + keyAt, Walk.KeyWidth), 1f, O + rowAt, width);
                }
            }
            for (int t = 0; t < to - from; t++)
            {
                Simd.Scale(O + at + (long)t * width, 1f / sum[t], d);
                Walk.Lse[(long)h * Walk.Rows + from - First + t] = max[t] + MathF.Log(sum[t]);
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
        public Walk Walk;
        public float* O, Do, Dq, Dk, Dv;

        public readonly void Run(int index)
        {
            int kvHead = index % Walk.Form.KvHeads, s = index / Walk.Form.KvHeads, d = Walk.Form.HeadDim, start = Walk.Starts[s], end = Walk.Starts[s + 1];
            using ScratchSet.Lease lease = Walk.Pool.Scratch.Rent((nuint)((Walk.Form.Cap > 0 ? 3 : 2) * QueryBlock * KeyBlock + 2 * d * KeyStride) * sizeof(float));
            float* p = (float*)lease.Data, keysT = p + 2 * QueryBlock * KeyBlock, valuesT = keysT + d * KeyStride, slopes = valuesT + d * KeyStride;
            for (int u0 = start; u0 < end; u0 += KeyBlock)
            {
                int count = Math.Min(KeyBlock, end - u0), stride = Stride(count);
                long keyAt = (long)u0 * Walk.KeyWidth + kvHead * d;
                Simd.Transpose(Walk.K + keyAt, Walk.KeyWidth, count, d, keysT, stride);
                Simd.Transpose(Walk.V + keyAt, Walk.KeyWidth, count, d, valuesT, stride);
                for (int t0 = u0; t0 < end; t0 += QueryBlock)
                {
                    int t1 = Math.Min(t0 + QueryBlock, end), keys = Math.Min(count, t1 - u0);
                    if (u0 + keys <= Walk.FirstKey(s, t0))
                        break;
                    for (int h = kvHead * Walk.Group; h < (kvHead + 1) * Walk.Group; h++)
                        RunBlock(h, t0, t1 - t0, keyAt, u0, keys, p, keysT, valuesT, slopes, stride);
                }
            }
        }

        // p = exp(s − lse), dv += pᵀ·do, ds = p∘(do·vᵀ − Σ do∘o), times the cap's slope, dq += scale·ds·k, dk += scale·dsᵀ·q
        private readonly void RunBlock(int h, int t0, int rows, long keyAt, int u0, int keys, float* p, float* keysT, float* valuesT, float* slopes, int stride)
        {
            int d = Walk.Form.HeadDim, qw = Walk.QueryWidth, kw = Walk.KeyWidth;
            float scale = Walk.Form.Scale;
            float* dp = p + QueryBlock * KeyBlock, lse = Walk.Lse + (long)h * Walk.Rows + t0;
            long at = (long)t0 * qw + h * d;
            WorkerPool pool = Walk.Pool;
            var upstream = new GemmOperand(Do + at, qw);
            Gemm.RunSerial(pool, rows, keys, d, scale, new GemmOperand(Walk.Q + at, qw), new GemmOperand(keysT, stride), 0f, p, keys);
            if (Walk.Form.Cap > 0)
                SoftCapNode.Bend(p, slopes, Walk.Form.Cap, rows * keys);
            Walk.Mask(p, rows, keys, t0, u0);
            for (int i = 0; i < rows; i++)
                Simd.ExpSum(p + (long)i * keys, 1f, lse[i], keys);
            if (Dv is not null)
                Gemm.RunSerial(pool, keys, d, rows, 1f, new GemmOperand(p, keys, true), upstream, 1f, Dv + keyAt, kw);
            if (Dq is null && Dk is null)
                return;
            Gemm.RunSerial(pool, rows, keys, d, 1f, upstream, new GemmOperand(valuesT, stride), 0f, dp, keys);
            for (int i = 0; i < rows; i++)
                Simd.ScoreGradient(dp + (long)i * keys, p + (long)i * keys, Simd.Dot(Do + at + (long)i * qw, O + at + (long)i * qw, d), keys);
            if (Walk.Form.Cap > 0)
                Simd.Multiply(dp, slopes, rows * keys);
            if (Dq is not null)
                Gemm.RunSerial(pool, rows, d, keys, scale, new GemmOperand(dp, keys), new GemmOperand(Walk.K + keyAt, kw), 1f, Dq + at, qw);
            if (Dk is not null)
                Gemm.RunSerial(pool, keys, d, rows, scale, new GemmOperand(dp, keys, true), new GemmOperand(Walk.Q + at, qw), 1f, Dk + keyAt, kw);
        }
    }
}
