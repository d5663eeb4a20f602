using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// RWKV-7's removal key as its operator takes it: −κ / max(‖κ‖, 1e-12) with κ = k∘kk and the norm over each head (spec/architectures.md §4.1).
    /// k: [N, C]; kk: fp32 with C elements. The gradient is 0 where the norm is clamped (§4.8).
    /// </summary>
    public static Tensor RemovalKey(Tensor k, Tensor kk, int heads)
    {
        Check.Activation("removal_key", k, "k");
        Check.Channels("removal_key", kk, "kk", k.Shape.Last);
        Check.Heads("removal_key", k, "k", heads);
        Tape tape = k.Tape!;
        Tensor y = tape.NewActivation(k.Shape), inverse = tape.New(new Shape(k.Shape.Rows, heads));
        RemovalKeyNode.Forward(k, kk, y, inverse);
        if (tape.Tracks(k, kk))
        {
            var node = tape.Rent<RemovalKeyNode>();
            (node.K, node.Kk, node.Inverse) = (node.Save(k), kk, node.Save(inverse));
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The removal key's reference, CPU bodies and backward, which needs the inverse of each norm: 0 where it was clamped.</summary>
internal sealed unsafe partial class RemovalKeyNode : Node
{
    private const float Least = 1e-12f;

    public Tensor K = null!, Kk = null!, Inverse = null!;

    public static NdArray Reference(NdArray k, NdArray kk, int heads)
    {
        int c = k.Shape.Last, n = c / heads;
        var y = new NdArray(k.Shape);
        for (int first = 0; first < y.Values.Length; first += n)
        {
            double sum = 0;
            for (int i = first; i < first + n; i++)
            {
                y.Values[i] = -k.Values[i] * kk.Values[i % c];
                sum += y.Values[i] * y.Values[i];
            }
            for (int i = first; i < first + n; i++)
                y.Values[i] /= Math.Max(Math.Sqrt(sum), 1e-12);
        }
        return y;
    }

    public static void Forward(Tensor k, Tensor kk, Tensor y, Tensor inverse)
    {
        int heads = inverse.Shape.Last, n = k.Shape.Last / heads;
        if (k.Device is KernelDevice gpu)
        {
            ForwardOn(gpu, k, kk, y, inverse, heads, n);
            return;
        }
        var body = new ForwardBody { K = k.F32, Kk = kk.F32, Y = y.F32, Inverse = inverse.F32, Heads = heads, N = n };
        ((CpuDevice)k.Device).Pool.ForRange(k.Shape.Rows, RowGrain(heads * n), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        int heads = Inverse.Shape.Last, rows = Inverse.Shape.Rows, n = grad.Shape.Last / heads;
        if (grad.Device is KernelDevice gpu)
        {
            BackwardOn(gpu, grad, heads, n, rows);
            return;
        }
        WorkerPool pool = ((CpuDevice)grad.Device).Pool;
        Tensor? dkk = SumOf(Kk), dk = GradOf(K, out bool accumulate);
        var body = new BackwardBody
        {
            Dy = grad.F32, K = K.F32, Kk = Kk.F32, Inverse = Inverse.F32, Dk = dk is null ? null : dk.F32, Heads = heads, N = n, Accumulate = accumulate,
        };
        if (dkk is not null)
        {
            Tensor sums = ColumnSums.Partials(Tape, rows, heads * n, out body.ChunkRows);
            body.Sums = sums.F32;
            pool.ForRange(rows, body.ChunkRows, ref body);
            ColumnSums.Finish(pool, sums, dkk);
        }
        else if (dk is not null)
        {
            pool.ForRange(rows, RowGrain(heads * n), ref body);
        }
    }

    private static int RowGrain(int c) => Math.Max(1, 8192 / c);

    private struct ForwardBody : IParallelRange
    {
        public float* K, Kk, Y, Inverse;
        public int Heads, N;

        public readonly void Run(int start, int end)
        {
            for (long g = (long)start * Heads; g < (long)end * Heads; g++)
            {
                float* k = K + g * N, kk = Kk + g % Heads * N, y = Y + g * N;
                Vector<float> squares = default;
                int i = 0;
                for (; i <= N - Simd.Width; i += Simd.Width)
                {
                    Vector<float> v = Vector.Load(k + i) * Vector.Load(kk + i);
                    squares = Vector.FusedMultiplyAdd(v, v, squares);
                }
                float sum = Vector.Sum(squares);
                for (; i < N; i++)
                    sum += k[i] * kk[i] * (k[i] * kk[i]);
                float norm = MathF.Sqrt(sum), scale = 1f / MathF.Max(norm, Least);
                Inverse[g] = norm > Least ? scale : 0f;
                for (i = 0; i <= N - Simd.Width; i += Simd.Width)
                    (Vector.Load(k + i) * Vector.Load(kk + i) * -scale).Store(y + i);
                for (; i < N; i++)
                    y[i] = k[i] * kk[i] * -scale;
            }
        }
    }

    // dκ = (κ̂·(κ̂·dy) − dy) / ‖κ‖ with κ̂ = κ / ‖κ‖; dk = dκ∘kk, dkk = Σ_rows dκ∘k, where asked for in sums of a range's rows
    private struct BackwardBody : IParallelRange
    {
        public float* Dy, K, Kk, Inverse, Dk, Sums;
        public int Heads, N, ChunkRows;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            float* sums = ColumnSums.Chunk(Sums, start, ChunkRows, Heads * N);
            for (long g = (long)start * Heads; g < (long)end * Heads; g++)
                Head(g, Kk + g % Heads * N, sums is null ? null : sums + g % Heads * N);
        }

        private readonly void Head(long g, float* kk, float* sums)
        {
            float* k = K + g * N, dy = Dy + g * N, dk = Dk + g * N;
            float inverse = Inverse[g], share = Simd.Dot(k, kk, dy, N) * inverse * inverse;
            int i = 0;
            for (; i <= N - Simd.Width; i += Simd.Width)
            {
                Vector<float> v = Vector.Load(k + i), factor = Vector.Load(kk + i), d = (v * factor * share - Vector.Load(dy + i)) * inverse;
                if (sums is not null)
                    Vector.FusedMultiplyAdd(d, v, Vector.Load(sums + i)).Store(sums + i);
                if (Dk is not null)
                    (Accumulate ? d * factor + Vector.Load(dk + i) : d * factor).Store(dk + i);
            }
            for (; i < N; i++)
            {
                float d = (k[i] * kk[i] * share - dy[i]) * inverse;
                if (sums is not null)
                    sums[i] += d * k[i];
                if (Dk is not null)
                    dk[i] = d * kk[i] + (Accumulate ? dk[i] : 0f);
            }
        }
    }
}
