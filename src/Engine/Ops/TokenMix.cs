using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// RWKV's token shift: y = z + (before − z)∘(mu + dynamic), where before is z of the row in front in the same sequence
    /// (spec/architectures.md §3.2). z: [N, C]; mu: fp32 with C elements; starts: [S+1] i32, sequences may be empty; previous: [S, C], what stands
    /// before the first row of each sequence, a constant, zeros without it; dynamic: [N, C] or null.
    /// </summary>
    public static Tensor TokenMix(Tensor z, Tensor mu, Tensor starts, Tensor? previous, Tensor? dynamic = null)
    {
        Check.Activation("token_mix", z, "z");
        Check.Channels("token_mix", mu, "mu", z.Shape.Last);
        Check.Starts("token_mix", starts, z.Shape.Rows);
        int sequences = starts.Shape.Elements - 1;
        if (previous is not null)
        {
            Check.Activation("token_mix", previous, "previous");
            Check.Is("token_mix", previous, "previous", new Shape(sequences, z.Shape.Last));
        }
        if (dynamic is not null)
        {
            Check.Activation("token_mix", dynamic, "dynamic");
            Check.Shapes("token_mix", z, dynamic);
        }
        Tape tape = z.Tape!;
        Tensor y = tape.NewActivation(z.Shape);
        TokenMixNode.Forward(z, mu, starts, previous, dynamic, y);
        if (tape.Tracks(z, mu, dynamic))
        {
            // The gradient of z needs the factors only, those of the factors need z and what stands before it.
            var node = tape.Rent<TokenMixNode>();
            bool keep = mu.NeedsGrad || dynamic is { NeedsGrad: true };
            (node.Z, node.Mu, node.Starts) = (keep ? node.Save(z) : z, mu, node.Save(starts));
            node.Previous = previous is not null && keep ? node.Save(previous) : null;
            node.Dynamic = dynamic is not null && z.NeedsGrad ? node.Save(dynamic) : dynamic;
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The token shift's reference, CPU bodies and backward.</summary>
internal sealed unsafe partial class TokenMixNode : Node
{
    public Tensor Z = null!, Mu = null!, Starts = null!;
    public Tensor? Previous, Dynamic;

    public static NdArray Reference(NdArray z, NdArray mu, int[] starts, NdArray? previous, NdArray? dynamic)
    {
        var y = new NdArray(z.Shape);
        for (int s = 0; s + 1 < starts.Length; s++)
        {
            for (int t = starts[s]; t < starts[s + 1]; t++)
            {
                for (int i = 0; i < z.Shape.Last; i++)
                {
                    double before = t > starts[s] ? z[t - 1, i] : previous is null ? 0 : previous[s, i];
                    y[t, i] = z[t, i] + (before - z[t, i]) * (mu.Values[i] + (dynamic is null ? 0 : dynamic[t, i]));
                }
            }
        }
        return y;
    }

    public static void Forward(Tensor z, Tensor mu, Tensor starts, Tensor? previous, Tensor? dynamic, Tensor y)
    {
        if (z.Device is KernelDevice gpu)
        {
            ForwardOn(gpu, z, mu, starts, previous, dynamic, y);
            return;
        }
        int c = z.Shape.Last;
        var body = new ForwardBody
        {
            Before = new Preceding { Z = z.F32, Previous = previous is null ? null : previous.F32, Starts = starts.I32, Sequences = starts.Shape.Elements - 1, C = c },
            Mu = mu.F32, Dynamic = dynamic is null ? null : dynamic.F32, Y = y.F32,
        };
        ((CpuDevice)z.Device).Pool.ForRange(z.Shape.Rows, RowGrain(c), ref body);
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
        Tensor? dmu = SumOf(Mu), dz = GradOf(Z, out bool moreZ);
        bool moreDynamic = false;
        Tensor? dd = Dynamic is null ? null : GradOf(Dynamic, out moreDynamic);
        // Where no factor is trained z may be gone, and is not read.
        var before = new Preceding
        {
            Z = dmu is null && dd is null ? null : Z.F32, Previous = Previous is null ? null : Previous.F32, Starts = Starts.I32, Sequences = Starts.Shape.Elements - 1, C = c,
        };
        if (dz is not null || dd is not null)
        {
            var body = new InputBody
            {
                Before = before, Dy = grad.F32, Mu = Mu.F32, Dynamic = Dynamic is null || dz is null ? null : Dynamic.F32,
                Dz = dz is null ? null : dz.F32, Dd = dd is null ? null : dd.F32, MoreZ = moreZ, MoreDynamic = moreDynamic,
            };
            pool.ForRange(rows, RowGrain(c), ref body);
        }
        if (dmu is not null)
        {
            var body = new FactorBody { Before = before, Dy = grad.F32, Dmu = dmu.F32, Rows = rows };
            pool.ForRange(c, 64, ref body);
        }
    }

    private static int RowGrain(int c) => Math.Max(1, 8192 / c);

    /// <summary>Finds the row before a row, in rows of C channels.</summary>
    private struct Preceding
    {
        public float* Z, Previous;
        public int* Starts;
        public int Sequences, C;

        /// <summary>The sequence that holds a row: the last one that starts at or before it.</summary>
        public readonly int SequenceOf(int row)
        {
            int low = 0, high = Sequences - 1;
            while (low < high)
            {
                int middle = (low + high + 1) / 2;
                if (Starts[middle] <= row)
                    low = middle;
                else
                    high = middle - 1;
            }
            return low;
        }

        /// <summary>The sequence of <paramref name="row"/>, which is that of the row before or a later one.</summary>
        public readonly int Next(int sequence, int row)
        {
            while (Starts[sequence + 1] <= row)
                sequence++;
            return sequence;
        }

        /// <summary>The channels before those of <paramref name="row"/>; null where they are zeros.</summary>
        public readonly float* Of(int sequence, int row) =>
            row > Starts[sequence] ? Z + (long)(row - 1) * C : Previous is null ? null : Previous + (long)sequence * C;
    }

    private struct ForwardBody : IParallelRange
    {
        public Preceding Before;
        public float* Mu, Dynamic, Y;

        public readonly void Run(int start, int end)
        {
            int c = Before.C, s = Before.SequenceOf(start);
            for (int row = start; row < end; row++)
            {
                s = Before.Next(s, row);
                long at = (long)row * c;
                float* z = Before.Z + at, y = Y + at, before = Before.Of(s, row), dynamic = Dynamic is null ? null : Dynamic + at;
                int i = 0;
                for (; i <= c - Simd.Width; i += Simd.Width)
                {
                    Vector<float> v = Vector.Load(z + i), m = Vector.Load(Mu + i);
                    if (dynamic is not null)
                        m += Vector.Load(dynamic + i);
                    Vector.FusedMultiplyAdd((before is null ? Vector<float>.Zero : Vector.Load(before + i)) - v, m, v).Store(y + i);
                }
                for (; i < c; i++)
                {
                    float m = Mu[i] + (dynamic is null ? 0f : dynamic[i]);
                    y[i] = MathF.FusedMultiplyAdd((before is null ? 0f : before[i]) - z[i], m, z[i]);
                }
            }
        }
    }

    // dz_t = dy_t − dy_t∘m_t + dy_{t+1}∘m_{t+1} within a sequence, m = mu + dynamic; ddynamic = dy∘(before − z)
    private struct InputBody : IParallelRange
    {
        public Preceding Before;
        public float* Dy, Mu, Dynamic, Dz, Dd;
        public bool MoreZ, MoreDynamic;

        public readonly void Run(int start, int end)
        {
            int c = Before.C, s = Before.SequenceOf(start);
            for (int row = start; row < end; row++)
            {
                s = Before.Next(s, row);
                long at = (long)row * c;
                if (Dz is not null)
                    AddShift(Dy + at, Dynamic is null ? null : Dynamic + at, row + 1 < Before.Starts[s + 1], Dz + at, c);
                if (Dd is not null)
                    AddFactor(Dy + at, Before.Of(s, row), Before.Z + at, Dd + at, c);
            }
        }

        private readonly void AddShift(float* dy, float* dynamic, bool hasNext, float* dz, int c)
        {
            int i = 0;
            for (; i <= c - Simd.Width; i += Simd.Width)
            {
                Vector<float> d = Vector.Load(dy + i), mu = Vector.Load(Mu + i);
                d -= d * (dynamic is null ? mu : mu + Vector.Load(dynamic + i));
                if (hasNext)
                    d = Vector.FusedMultiplyAdd(Vector.Load(dy + c + i), dynamic is null ? mu : mu + Vector.Load(dynamic + c + i), d);
                (MoreZ ? d + Vector.Load(dz + i) : d).Store(dz + i);
            }
            for (; i < c; i++)
            {
                float d = dy[i] - dy[i] * (Mu[i] + (dynamic is null ? 0f : dynamic[i]));
                if (hasNext)
                    d += dy[c + i] * (Mu[i] + (dynamic is null ? 0f : dynamic[c + i]));
                dz[i] = MoreZ ? dz[i] + d : d;
            }
        }

        private readonly void AddFactor(float* dy, float* before, float* z, float* dd, int c)
        {
            int i = 0;
            for (; i <= c - Simd.Width; i += Simd.Width)
            {
                Vector<float> d = Vector.Load(dy + i) * ((before is null ? Vector<float>.Zero : Vector.Load(before + i)) - Vector.Load(z + i));
                (MoreDynamic ? d + Vector.Load(dd + i) : d).Store(dd + i);
            }
            for (; i < c; i++)
            {
                float d = dy[i] * ((before is null ? 0f : before[i]) - z[i]);
                dd[i] = MoreDynamic ? dd[i] + d : d;
            }
        }
    }

    // dmu += Σ_rows dy∘(before − z), a range of columns at a time so that the order of the sum never changes
    private struct FactorBody : IParallelRange
    {
        public Preceding Before;
        public float* Dy, Dmu;
        public int Rows;

        public readonly void Run(int start, int end)
        {
            int c = Before.C, s = 0;
            for (int row = 0; row < Rows; row++)
            {
                s = Before.Next(s, row);
                float* dy = Dy + (long)row * c, z = Before.Z + (long)row * c, before = Before.Of(s, row);
                int i = start;
                for (; i <= end - Simd.Width; i += Simd.Width)
                {
                    Vector<float> change = (before is null ? Vector<float>.Zero : Vector.Load(before + i)) - Vector.Load(z + i);
                    Vector.FusedMultiplyAdd(Vector.Load(dy + i), change, Vector.Load(Dmu + i)).Store(Dmu + i);
                }
                for (; i < end; i++)
                    Dmu[i] += dy[i] * ((before is null ? 0f : before[i]) - z[i]);
            }
        }
    }
}
