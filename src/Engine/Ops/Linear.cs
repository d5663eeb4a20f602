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
    /// y = x·wᵀ + b. x: [N, in], w: [out, in] fp32, or frozen in bf16 or quantised blocks, b: [out] fp32 or null; y: [N, out] with fp32 accumulation.
    /// A frozen w keeps nothing of x for backward.
    /// </summary>
    public static Tensor Linear(Tensor x, Tensor w, Tensor? b = null)
    {
        Check.Activation("linear", x, "x");
        Check.Matrix("linear", w, "w");
        Check.LastDim("linear", x, "x", w.Shape.Last);
        int outputs = w.Shape.Rows;
        Tape tape = x.Tape!;
        Tensor y = tape.NewActivation(new Shape(x.Shape.Rows, outputs));
        MatMul.Run(x, false, w, true, y);
        if (b is not null)
        {
            Check.Is("linear", b, "bias", new Shape(outputs));
            LinearNode.AddBias(y, b);
        }
        if (tape.Tracks(x, w, b))
        {
            var node = tape.Rent<LinearNode>();
            (node.X, node.W, node.B) = (w.NeedsGrad ? node.Save(x) : x, w, b);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The linear layer's reference, bias body and backward.</summary>
internal sealed unsafe class LinearNode : Node
{
    private static readonly Kernel BiasEach = Kernel.Of(typeof(LinearNode), nameof(BiasKernel)), BiasChunks = Kernel.Of(typeof(LinearNode), nameof(ColumnKernel));

    public Tensor X = null!, W = null!;
    public Tensor? B;

    public static NdArray Reference(NdArray x, NdArray w, NdArray? b)
    {
        NdArray y = x.TimesTransposed(w);
        for (int i = 0; b is not null && i < y.Values.Length; i++)
            y.Values[i] += b.Values[i % b.Values.Length];
        return y;
    }

    public static void AddBias(Tensor y, Tensor b)
    {
        if (y.Device is KernelDevice gpu)
        {
            int rows = y.Shape.Rows, width = y.Shape.Last, quads = Quads.InRows(width, y, b), lanes = quads > 0 ? quads : width;
            gpu.Launch(BiasEach, gpu.Over((long)rows * lanes), y, b, rows, width, lanes, quads > 0);
            return;
        }
        var body = new BiasBody { Y = y.F32, B = b.F32, N = y.Shape.Last };
        ((CpuDevice)y.Device).Pool.ForRange(y.Shape.Rows, Math.Max(1, 16384 / y.Shape.Last), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (GradOf(W, out bool more) is { } dw)
            MatMul.Run(grad, true, X, false, dw, accumulate: more);
        if (B is not null && grad.Device is KernelDevice gpu)
        {
            AddColumns(gpu, grad);
        }
        else if (B is not null && SumOf(B) is { } db)
        {
            var body = new ColumnSumBody { Dy = grad.F32, Db = db.F32, Rows = grad.Shape.Rows, N = grad.Shape.Last };
            ((CpuDevice)grad.Device).Pool.ForRange(grad.Shape.Last, 64, ref body);
        }
        if (GradOf(X, out more) is { } dx)
            MatMul.Run(grad, false, W, false, dx, accumulate: more);
    }

    private void AddColumns(KernelDevice gpu, Tensor grad)
    {
        if (GradOf(B!, out bool accumulate) is not { } db)
            return;
        int rows = grad.Shape.Rows, n = grad.Shape.Last;
        Tensor partials = ColumnSums.Partials(Tape, rows, n, out int chunkRows);
        gpu.Launch(BiasChunks, gpu.Over(n) with { Y = partials.Shape.Rows }, grad, partials, n, rows, chunkRows);
        ColumnSums.Finish(gpu, partials, db, accumulate);
    }

    [Kernel]
    private static void BiasKernel<TY, TB>(View<TY> y, View<TB> b, int rows, int width, int lanesOfRow, bool wide) where TY : unmanaged where TB : unmanaged
    {
        int row = Gpu.Item / lanesOfRow, i = Gpu.Item % lanesOfRow;
        if (row < rows)
        {
            View<TY> to = y.At((long)row * width);
            if (wide)
                to.Store4(4 * i, to.Load4(4 * i) + b.Load4(4 * i));
            else
                to.Store(i, to.Load(i) + b.Load(i));
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void ColumnKernel<T>(View<T> dy, View<float> partials, int n, int rows, int chunkRows) where T : unmanaged
    {
        int i = Gpu.Item, first = Gpu.GroupY * chunkRows, end = Math.Min(first + chunkRows, rows);
        if (i < n)
        {
            float sum = 0;
            for (int row = first; row < end; row++)
                sum += dy.At((long)row * n).Load(i);
            partials.At((long)Gpu.GroupY * n).Store(i, sum);
        }
    }

    private struct BiasBody : IParallelRange
    {
        public float* Y, B;
        public int N;

        public readonly void Run(int start, int end)
        {
            for (int row = start; row < end; row++)
                Simd.Add(Y + (long)row * N, B, N);
        }
    }

    // A range of columns at a time, rows in order: the same sum whatever the thread count.
    private struct ColumnSumBody : IParallelRange
    {
        public float* Dy, Db;
        public int Rows, N;

        public readonly void Run(int start, int end)
        {
            for (int row = 0; row < Rows; row++)
                Simd.Add(Db + start, Dy + (long)row * N + start, end - start);
        }
    }
}
