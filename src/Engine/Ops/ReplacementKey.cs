using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// RWKV-7's replacement key k∘(1 + (rate − 1)∘ka) (spec/architectures.md §4.1). k and rate: [N, C]; ka: fp32 with C elements.
    /// </summary>
    public static Tensor ReplacementKey(Tensor k, Tensor rate, Tensor ka)
    {
        Check.Activation("replacement_key", k, "k");
        Check.Activation("replacement_key", rate, "rate");
        Check.Shapes("replacement_key", k, rate);
        Check.Channels("replacement_key", ka, "ka", k.Shape.Last);
        Tape tape = k.Tape!;
        Tensor y = tape.NewActivation(k.Shape);
        ReplacementKeyNode.Forward(k, rate, ka, y);
        if (tape.Tracks(k, rate, ka))
        {
            var node = tape.Rent<ReplacementKeyNode>();
            (node.K, node.Rate, node.Ka) = (node.Save(k), node.Save(rate), ka);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The replacement key's reference, CPU bodies and backward.</summary>
internal sealed unsafe partial class ReplacementKeyNode : Node
{
    public Tensor K = null!, Rate = null!, Ka = null!;

    public static NdArray Reference(NdArray k, NdArray rate, NdArray ka)
    {
        var y = new NdArray(k.Shape);
        for (int i = 0; i < y.Values.Length; i++)
            y.Values[i] = k.Values[i] * (1 + (rate.Values[i] - 1) * ka.Values[i % ka.Values.Length]);
        return y;
    }

    public static void Forward(Tensor k, Tensor rate, Tensor ka, Tensor y)
    {
        if (k.Device is KernelDevice gpu)
        {
            ForwardOn(gpu, k, rate, ka, y);
            return;
        }
        int c = k.Shape.Last;
        var body = new ForwardBody { K = k.F32, Rate = rate.F32, Ka = ka.F32, Y = y.F32, C = c };
        ((CpuDevice)k.Device).Pool.ForRange(k.Shape.Rows, RowGrain(c), ref body);
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
        Tensor? dka = SumOf(Ka), dk = GradOf(K, out bool moreK), drate = GradOf(Rate, out bool moreRate);
        var body = new BackwardBody
        {
            Dy = grad.F32, K = K.F32, Rate = Rate.F32, Ka = Ka.F32, Dk = dk is null ? null : dk.F32, Drate = drate is null ? null : drate.F32,
            MoreK = moreK, MoreRate = moreRate, C = c,
        };
        if (dka is not null)
        {
            Tensor sums = ColumnSums.Partials(Tape, rows, c, out body.ChunkRows);
            body.Sums = sums.F32;
            pool.ForRange(rows, body.ChunkRows, ref body);
            ColumnSums.Finish(pool, sums, dka);
        }
        else if (dk is not null || drate is not null)
        {
            pool.ForRange(rows, RowGrain(c), ref body);
        }
    }

    private static int RowGrain(int c) => Math.Max(1, 8192 / c);

    private struct ForwardBody : IParallelRange
    {
        public float* K, Rate, Ka, Y;
        public int C;

        public readonly void Run(int start, int end)
        {
            for (int row = start; row < end; row++)
            {
                float* k = K + (long)row * C, rate = Rate + (long)row * C, y = Y + (long)row * C;
                int i = 0;
                for (; i <= C - Simd.Width; i += Simd.Width)
                    (Vector.Load(k + i) * Vector.FusedMultiplyAdd(Vector.Load(rate + i) - Vector<float>.One, Vector.Load(Ka + i), Vector<float>.One)).Store(y + i);
                for (; i < C; i++)
                    y[i] = k[i] * MathF.FusedMultiplyAdd(rate[i] - 1f, Ka[i], 1f);
            }
        }
    }

    // dk = dy∘(1 + (rate − 1)∘ka); drate = dy∘k∘ka; dka = Σ_rows dy∘k∘(rate − 1), where asked for in sums of a range's rows
    private struct BackwardBody : IParallelRange
    {
        public float* Dy, K, Rate, Ka, Dk, Drate, Sums;
        public bool MoreK, MoreRate;
        public int C, ChunkRows;

        public readonly void Run(int start, int end)
        {
            float* sums = ColumnSums.Chunk(Sums, start, ChunkRows, C);
            for (int row = start; row < end; row++)
                Row((long)row * C, sums);
        }

        private readonly void Row(long at, float* sums)
        {
            float* dy = Dy + at, k = K + at, rate = Rate + at, dk = Dk + at, drate = Drate + at;
            int i = 0;
            for (; i <= C - Simd.Width; i += Simd.Width)
            {
                Vector<float> g = Vector.Load(dy + i), product = g * Vector.Load(k + i), change = Vector.Load(rate + i) - Vector<float>.One, factor = Vector.Load(Ka + i);
                if (sums is not null)
                    Vector.FusedMultiplyAdd(product, change, Vector.Load(sums + i)).Store(sums + i);
                if (Dk is not null)
                {
                    Vector<float> d = g * Vector.FusedMultiplyAdd(change, factor, Vector<float>.One);
                    (MoreK ? d + Vector.Load(dk + i) : d).Store(dk + i);
                }
                if (Drate is not null)
                    (MoreRate ? product * factor + Vector.Load(drate + i) : product * factor).Store(drate + i);
            }
            for (; i < C; i++)
            {
                float product = dy[i] * k[i], change = rate[i] - 1f;
                if (sums is not null)
                    sums[i] = MathF.FusedMultiplyAdd(product, change, sums[i]);
                if (Dk is not null)
                    dk[i] = dy[i] * MathF.FusedMultiplyAdd(change, Ka[i], 1f) + (MoreK ? dk[i] : 0f);
                if (Drate is not null)
                    drate[i] = product * Ka[i] + (MoreRate ? drate[i] : 0f);
            }
        }
    }
}
