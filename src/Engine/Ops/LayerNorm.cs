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
    /// y = (x − mean(x)) / √(var(x) + eps) ∘ w + b, mean and biased variance over each row; with <paramref name="groups"/> above 1 over each of so many
    /// equal runs of a row's channels (GroupNorm). x: [N, C], w and b: fp32 with C elements (spec/architectures.md §1.3, §3.3).
    /// </summary>
    public static Tensor LayerNorm(Tensor x, Tensor w, Tensor b, float eps, int groups = 1)
    {
        Check.Activation("layer_norm", x, "x");
        Check.Channels("layer_norm", w, "w", x.Shape.Last);
        Check.Channels("layer_norm", b, "b", x.Shape.Last);
        Check.True("layer_norm", groups > 0 && x.Shape.Last % groups == 0, $"{groups} groups do not divide the channels of x ({x}).");
        Tape tape = x.Tape!;
        Tensor y = tape.NewActivation(x.Shape), statistics = tape.New(new Shape(checked(x.Shape.Rows * groups), 2));
        LayerNormNode.Forward(x, w, b, y, statistics, groups, eps);
        if (tape.Tracks(x, w, b))
        {
            var node = tape.Rent<LayerNormNode>();
            (node.X, node.W, node.B, node.Statistics, node.Groups) = (node.Save(x), w, b, node.Save(statistics), groups);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>LayerNorm's reference, CPU bodies and backward. The statistics of a run of n channels are its mean and 1/√(var + eps).</summary>
internal sealed unsafe partial class LayerNormNode : Node
{
    public Tensor X = null!, W = null!, B = null!, Statistics = null!;
    public int Groups;

    public static NdArray Reference(NdArray x, NdArray w, NdArray b, int groups, double eps)
    {
        int c = x.Shape.Last, n = c / groups;
        var y = new NdArray(x.Shape);
        for (int first = 0; first < x.Values.Length; first += n)
        {
            double mean = 0, variance = 0;
            for (int i = first; i < first + n; i++)
                mean += x.Values[i] / n;
            for (int i = first; i < first + n; i++)
                variance += (x.Values[i] - mean) * (x.Values[i] - mean) / n;
            for (int i = first; i < first + n; i++)
                y.Values[i] = (x.Values[i] - mean) / Math.Sqrt(variance + eps) * w.Values[i % c] + b.Values[i % c];
        }
        return y;
    }

    public static void Forward(Tensor x, Tensor w, Tensor b, Tensor y, Tensor statistics, int groups, float eps)
    {
        if (x.Device is KernelDevice gpu)
        {
            ForwardOn(gpu, x, w, b, y, statistics, groups, eps);
            return;
        }
        int c = x.Shape.Last;
        var body = new ForwardBody { X = x.F32, W = w.F32, B = b.F32, Y = y.F32, Statistics = statistics.F32, N = c / groups, Groups = groups, Eps = eps };
        ((CpuDevice)x.Device).Pool.ForRange(x.Shape.Rows, RowGrain(c), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (grad.Device is KernelDevice gpu)
        {
            BackwardOn(gpu, grad);
            return;
        }
        int c = X.Shape.Last, rows = X.Shape.Rows;
        WorkerPool pool = ((CpuDevice)X.Device).Pool;
        Tensor? dw = SumOf(W), db = SumOf(B);
        if (dw is not null || db is not null)
        {
            var body = new WeightBody
            {
                Dy = grad.F32, X = X.F32, Statistics = Statistics.F32, Dw = dw is null ? null : dw.F32, Db = db is null ? null : db.F32,
                N = c / Groups, Groups = Groups, Rows = rows,
            };
            pool.ForRange(c, 64, ref body);
        }
        if (GradOf(X, out bool accumulate) is { } dx)
        {
            var body = new InputBody { Dy = grad.F32, X = X.F32, W = W.F32, Statistics = Statistics.F32, Dx = dx.F32, N = c / Groups, Groups = Groups, Accumulate = accumulate };
            pool.ForRange(rows, RowGrain(c), ref body);
        }
    }

    private static int RowGrain(int c) => Math.Max(1, 8192 / c);

    // Reads a run of channels three times while it is in the first cache: the mean must be known before the squares, or they would lose their digits.
    private struct ForwardBody : IParallelRange
    {
        public float* X, W, B, Y, Statistics;
        public int N, Groups;
        public float Eps;

        public readonly void Run(int start, int end)
        {
            for (long g = (long)start * Groups; g < (long)end * Groups; g++)
            {
                float* x = X + g * N, y = Y + g * N, w = W + g % Groups * N, b = B + g % Groups * N;
                float mean = Sum(x, N) / N, r = 1f / MathF.Sqrt(Squares(x, mean, N) / N + Eps);
                (Statistics[2 * g], Statistics[2 * g + 1]) = (mean, r);
                Vector<float> means = new(mean);
                int i = 0;
                for (; i <= N - Simd.Width; i += Simd.Width)
                    Vector.FusedMultiplyAdd((Vector.Load(x + i) - means) * r, Vector.Load(w + i), Vector.Load(b + i)).Store(y + i);
                for (; i < N; i++)
                    y[i] = MathF.FusedMultiplyAdd((x[i] - mean) * r, w[i], b[i]);
            }
        }

        private static float Sum(float* x, int n)
        {
            Vector<float> s0 = default, s1 = default;
            int w = Simd.Width, i = 0;
            for (; i <= n - 2 * w; i += 2 * w)
            {
                s0 += Vector.Load(x + i);
                s1 += Vector.Load(x + i + w);
            }
            for (; i <= n - w; i += w)
                s0 += Vector.Load(x + i);
            float sum = Vector.Sum(s0 + s1);
            for (; i < n; i++)
                sum += x[i];
            return sum;
        }

        // Σ (x − mean)²
        private static float Squares(float* x, float mean, int n)
        {
            Vector<float> s0 = default, s1 = default, means = new(mean);
            int w = Simd.Width, i = 0;
            for (; i <= n - 2 * w; i += 2 * w)
            {
                Vector<float> d0 = Vector.Load(x + i) - means, d1 = Vector.Load(x + i + w) - means;
                s0 = Vector.FusedMultiplyAdd(d0, d0, s0);
                s1 = Vector.FusedMultiplyAdd(d1, d1, s1);
            }
            for (; i <= n - w; i += w)
            {
                Vector<float> d = Vector.Load(x + i) - means;
                s0 = Vector.FusedMultiplyAdd(d, d, s0);
            }
            float sum = Vector.Sum(s0 + s1);
            for (; i < n; i++)
                sum = MathF.FusedMultiplyAdd(x[i] - mean, x[i] - mean, sum);
            return sum;
        }
    }

    // dx = r·(q − mean(q) − h·mean(q∘h)), q = dy∘w, h = (x − μ)·r
    private struct InputBody : IParallelRange
    {
        public float* Dy, X, W, Statistics, Dx;
        public int N, Groups;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            for (long g = (long)start * Groups; g < (long)end * Groups; g++)
            {
                float* x = X + g * N, dy = Dy + g * N, dx = Dx + g * N, w = W + g % Groups * N;
                float mean = Statistics[2 * g], r = Statistics[2 * g + 1];
                Vector<float> sums = default, products = default, means = new(mean);
                int i = 0;
                for (; i <= N - Simd.Width; i += Simd.Width)
                {
                    Vector<float> q = Vector.Load(dy + i) * Vector.Load(w + i);
                    sums += q;
                    products = Vector.FusedMultiplyAdd(q, Vector.Load(x + i) - means, products);
                }
                float sum = Vector.Sum(sums), product = Vector.Sum(products);
                for (; i < N; i++)
                {
                    sum += dy[i] * w[i];
                    product += dy[i] * w[i] * (x[i] - mean);
                }
                float shift = sum / N, slope = product / N * r * r;
                Vector<float> shifts = new(shift);
                for (i = 0; i <= N - Simd.Width; i += Simd.Width)
                {
                    Vector<float> d = (Vector.Load(dy + i) * Vector.Load(w + i) - shifts - (Vector.Load(x + i) - means) * slope) * r;
                    (Accumulate ? d + Vector.Load(dx + i) : d).Store(dx + i);
                }
                for (; i < N; i++)
                {
                    float d = (dy[i] * w[i] - shift - (x[i] - mean) * slope) * r;
                    dx[i] = Accumulate ? dx[i] + d : d;
                }
            }
        }
    }

    // dw += Σ_rows dy∘h and db += Σ_rows dy, a range of columns at a time so that the order of the sums never changes
    private struct WeightBody : IParallelRange
    {
        public float* Dy, X, Statistics, Dw, Db;
        public int N, Groups, Rows;

        public readonly void Run(int start, int end)
        {
            int c = N * Groups;
            for (int row = 0; row < Rows; row++)
            {
                float* x = X + (long)row * c, dy = Dy + (long)row * c;
                if (Db is not null)
                    Simd.Add(Db + start, dy + start, end - start);
                for (int g = start / N; Dw is not null && g * N < end; g++)
                {
                    float* of = Statistics + 2 * ((long)row * Groups + g);
                    AddProducts(dy, x, of[0], of[1], Math.Max(start, g * N), Math.Min(end, g * N + N));
                }
            }
        }

        private readonly void AddProducts(float* dy, float* x, float mean, float r, int start, int end)
        {
            Vector<float> means = new(mean);
            int i = start;
            for (; i <= end - Simd.Width; i += Simd.Width)
                Vector.FusedMultiplyAdd((Vector.Load(x + i) - means) * r, Vector.Load(dy + i), Vector.Load(Dw + i)).Store(Dw + i);
            for (; i < end; i++)
                Dw[i] += dy[i] * (x[i] - mean) * r;
        }
    }
}
