using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// y = x / √(mean(x²) + eps) ∘ (w + offset) over groups of n = w's length in the last dimension. x: [N, g·n], w: [n] fp32
    /// (spec/architectures.md §1.3). One group is the usual norm; a group per head is Qwen3's q and k norm; Gemma's norms have offset 1.
    /// </summary>
    public static Tensor RmsNorm(Tensor x, Tensor w, float eps, float offset = 0f)
    {
        Check.Activation("rms_norm", x, "x");
        Check.Type("rms_norm", w, "w", DType.F32);
        int n = w.Shape.Elements;
        Check.True("rms_norm", n > 0 && x.Shape.Last % n == 0, $"w is {w}, its length must divide the last dimension of x ({x}).");
        Tape tape = x.Tape!;
        Tensor y = tape.NewActivation(x.Shape), rstd = tape.New(new Shape((int)(x.Shape.Count / n)));
        RmsNormNode.Forward(x, w, y, rstd, n, eps, offset);
        if (tape.Tracks(x, w))
        {
            var node = tape.Rent<RmsNormNode>();
            (node.X, node.W, node.Rstd, node.Offset) = (node.Save(x), w, node.Save(rstd), offset);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>RMSNorm's reference, bodies and backward.</summary>
internal sealed unsafe class RmsNormNode : Node
{
    private static readonly Kernel ForwardRows = Kernel.Of(typeof(RmsNormNode), nameof(ForwardKernel)),
        InputRows = Kernel.Of(typeof(RmsNormNode), nameof(InputKernel));

    public Tensor X = null!, W = null!, Rstd = null!;
    public float Offset;

    public static NdArray Reference(NdArray x, NdArray w, double eps, double offset = 0)
    {
        int n = w.Shape.Elements;
        var y = new NdArray(x.Shape);
        for (int g = 0; g < x.Values.Length; g += n)
        {
            double sum = 0;
            for (int i = 0; i < n; i++)
                sum += x.Values[g + i] * x.Values[g + i];
            for (int i = 0; i < n; i++)
                y.Values[g + i] = x.Values[g + i] / Math.Sqrt(sum / n + eps) * (w.Values[i] + offset);
        }
        return y;
    }

    public static void Forward(Tensor x, Tensor w, Tensor y, Tensor rstd, int n, float eps, float offset)
    {
        if (x.Device is KernelDevice gpu)
        {
            gpu.Launch(ForwardRows, new Grid(gpu.LanesFor(n), rstd.Shape.Elements), x, w, y, rstd, n, Quads.InRows(n, x, w, y), eps, offset);
            return;
        }
        var body = new ForwardBody { X = x.F32, W = w.F32, Y = y.F32, Rstd = rstd.F32, N = n, Eps = eps, Offset = offset };
        ((CpuDevice)x.Device).Pool.ForRange(rstd.Shape.Elements, RowGrain(n), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        int n = W.Shape.Elements, rows = Rstd.Shape.Elements;
        if (GradOf(W, out bool more) is { } dw)
            ColumnSums.Products(Tape, grad, X, Rstd, null, dw, more);
        if (GradOf(X, out more) is not { } dx)
            return;
        if (grad.Device is KernelDevice gpu)
        {
            gpu.Launch(InputRows, new Grid(gpu.LanesFor(n), rows), grad, X, W, Rstd, dx, n, Quads.InRows(n, grad, X, W, dx), Offset, more);
            return;
        }
        var body = new InputBody { Dy = grad.F32, X = X.F32, W = W.F32, Rstd = Rstd.F32, Dx = dx.F32, N = n, Offset = Offset, Accumulate = more };
        ((CpuDevice)X.Device).Pool.ForRange(rows, RowGrain(n), ref body);
    }

    private static int RowGrain(int n) => Math.Max(1, 8192 / n);

    // A group takes one row of n.
    [Kernel]
    private static void ForwardKernel<TX, TY>(View<TX> xs, View<float> w, View<TY> ys, View<float> rstd, int n, int quads, float eps, float offset) where TX : unmanaged where TY : unmanaged
    {
        View<TX> x = xs.At((long)Gpu.Group * n);
        View<TY> y = ys.At((long)Gpu.Group * n);
        float sum = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 v = x.Load4(4 * q);
            sum += Quads.Dot(v, v);
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            sum += x.Load(i) * x.Load(i);
        float r = 1f / MathF.Sqrt(Gpu.GroupSum(sum) / n + eps);
        if (Gpu.Lane == 0)
            rstd[Gpu.Group] = r;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            y.Store4(4 * q, x.Load4(4 * q) * r * Shifted(w, q, offset));
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            y.Store(i, x.Load(i) * r * (w[i] + offset));
    }

    /// <summary>Four weights of the <paramref name="q"/>th run, plus the offset.</summary>
    internal static Vector4 Shifted(View<float> w, int q, float offset) => w.Load4(4 * q) + new Vector4(offset, offset, offset, offset);

    // As InputBody.
    [Kernel]
    private static void InputKernel<TDy, TX, TDx>(View<TDy> dys, View<TX> xs, View<float> w, View<float> rstd, View<TDx> dxs, int n, int quads, float offset, bool accumulate)
        where TDy : unmanaged where TX : unmanaged where TDx : unmanaged
    {
        View<TDy> dy = dys.At((long)Gpu.Group * n);
        View<TX> x = xs.At((long)Gpu.Group * n);
        View<TDx> dx = dxs.At((long)Gpu.Group * n);
        float sum = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            sum += Quads.Dot(dy.Load4(4 * q) * Shifted(w, q, offset), x.Load4(4 * q));
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            sum += dy.Load(i) * (w[i] + offset) * x.Load(i);
        float r = rstd[Gpu.Group], c = Gpu.GroupSum(sum) / n * r * r * r;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 d = dy.Load4(4 * q) * Shifted(w, q, offset) * r - x.Load4(4 * q) * c;
            if (accumulate)
                d += dx.Load4(4 * q);
            dx.Store4(4 * q, d);
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
        {
            float d = dy.Load(i) * (w[i] + offset) * r - x.Load(i) * c;
            dx.Store(i, accumulate ? dx.Load(i) + d : d);
        }
    }

    private struct ForwardBody : IParallelRange
    {
        public float* X, W, Y, Rstd;
        public int N;
        public float Eps, Offset;

        public readonly void Run(int start, int end)
        {
            for (int row = start; row < end; row++)
            {
                float* x = X + (long)row * N, y = Y + (long)row * N;
                float r = 1f / MathF.Sqrt(Simd.Dot(x, x, N) / N + Eps);
                Rstd[row] = r;
                Vector<float> offset = new(Offset);
                int i = 0;
                for (; i <= N - Simd.Width; i += Simd.Width)
                    (Vector.Load(x + i) * r * (Vector.Load(W + i) + offset)).Store(y + i);
                for (; i < N; i++)
                    y[i] = x[i] * r * (W[i] + Offset);
            }
        }
    }

    // dx = r·(q − x̂·mean(q∘x̂)), q = dy∘(w + offset), x̂ = r·x
    private struct InputBody : IParallelRange
    {
        public float* Dy, X, W, Rstd, Dx;
        public int N;
        public float Offset;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            for (int row = start; row < end; row++)
            {
                float* x = X + (long)row * N, dy = Dy + (long)row * N, dx = Dx + (long)row * N;
                float r = Rstd[row];
                Vector<float> sum = default, offset = new(Offset);
                int i = 0;
                for (; i <= N - Simd.Width; i += Simd.Width)
                    sum = Vector.FusedMultiplyAdd(Vector.Load(dy + i) * (Vector.Load(W + i) + offset), Vector.Load(x + i), sum);
                float mean = Vector.Sum(sum);
                for (; i < N; i++)
                    mean += dy[i] * (W[i] + Offset) * x[i];
                float c = mean / N * r * r * r;
                for (i = 0; i <= N - Simd.Width; i += Simd.Width)
                {
                    Vector<float> d = Vector.Load(dy + i) * (Vector.Load(W + i) + offset) * r - Vector.Load(x + i) * c;
                    (Accumulate ? d + Vector.Load(dx + i) : d).Store(dx + i);
                }
                for (; i < N; i++)
                {
                    float d = dy[i] * (W[i] + Offset) * r - x[i] * c;
                    dx[i] = Accumulate ? dx[i] + d : d;
                }
            }
        }
    }
}
