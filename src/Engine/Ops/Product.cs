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
    /// y = x·w without transposition, as RWKV's low-rank weights lie. x: [N, D], w: [D, out]; or x: [N, P·D], w: [P, D, out] and y = columns
    /// part·D … of x times w[part]. w is fp32, or frozen in bf16 or quantised blocks; y: [N, out] with fp32 accumulation (spec/architectures.md §4.1, §5.1).
    /// </summary>
    public static Tensor Product(Tensor x, Tensor w, int part = 0)
    {
        Check.Activation("product", x, "x");
        Check.Matrix("product", w, "w");
        Check.True("product", w.Shape.Rank is 2 or 3, $"w is {w}, shape [D, out] or [P, D, out] is needed.");
        int parts = w.Shape.Rank == 3 ? w.Shape[0] : 1, inner = w.Shape[w.Shape.Rank - 2];
        Check.True("product", part >= 0 && part < parts, $"part {part} of w ({w}) was asked for, it has {parts}.");
        Check.LastDim("product", x, "x", checked(parts * inner));
        Tape tape = x.Tape!;
        Tensor y = tape.NewActivation(new Shape(x.Shape.Rows, w.Shape.Last));
        ProductNode.Forward(x, w, part, y);
        if (tape.Tracks(x, w))
        {
            var node = tape.Rent<ProductNode>();
            (node.X, node.W, node.Part) = (w.NeedsGrad ? node.Save(x) : x, w, part);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The product's reference, bodies and backward.</summary>
internal sealed unsafe class ProductNode : Node
{
    private static readonly Kernel TakeEach = Kernel.Of(typeof(ProductNode), nameof(TakeKernel)), AddEach = Kernel.Of(typeof(ProductNode), nameof(AddKernel));

    public Tensor X = null!, W = null!;
    public int Part;

    public static NdArray Reference(NdArray x, NdArray w, int part)
    {
        int inner = w.Shape[w.Shape.Rank - 2], outputs = w.Shape.Last;
        var y = new NdArray(new Shape(x.Shape.Rows, outputs));
        for (int t = 0; t < x.Shape.Rows; t++)
            for (int o = 0; o < outputs; o++)
                for (int i = 0; i < inner; i++)
                    y[t, o] += x[t, part * inner + i] * w[part * inner + i, o];
        return y;
    }

    public static void Forward(Tensor x, Tensor w, int part, Tensor y)
    {
        int width = x.Shape.Last, outputs = w.Shape.Last, inner = w.Shape[w.Shape.Rank - 2];
        if (x.Device is CpuDevice cpu)
        {
            Gemm.Run(cpu.Pool, x.Shape.Rows, outputs, inner, 1f, MatMul.Operand(x, (long)part * inner, width), MatMul.Operand(w, (long)part * inner * outputs, outputs), 0f, y.F32, outputs);
            return;
        }
        Tape tape = y.Tape!;
        int scope = tape.Open();
        MatMul.Run(Columns(tape, x, part, inner), false, Slice(tape, w, part), false, y);
        tape.Close(scope);
    }

    protected internal override void Backward(Tensor grad)
    {
        int rows = grad.Shape.Rows, width = X.Shape.Last, outputs = W.Shape.Last, inner = W.Shape[W.Shape.Rank - 2];
        bool whole = width == inner, moreW = true, moreX = true;
        // The other parts of a gradient belong to other products: they start at zero with the first of them.
        Tensor? dw = whole ? GradOf(W, out moreW) : SumOf(W), dx = whole ? GradOf(X, out moreX) : SumOf(X);
        long firstX = (long)Part * inner, firstW = firstX * outputs;
        if (grad.Device is CpuDevice cpu)
        {
            if (dw is not null)
            {
                Gemm.Run(cpu.Pool, inner, outputs, rows, 1f, MatMul.Operand(X, firstX, width, transposed: true), MatMul.Operand(grad, 0, outputs),
                    moreW ? 1f : 0f, dw.F32 + firstW, outputs);
            }
            if (dx is not null)
            {
                Gemm.Run(cpu.Pool, rows, inner, outputs, 1f, MatMul.Operand(grad, 0, outputs), MatMul.Operand(W, firstW, outputs, transposed: true),
                    moreX ? 1f : 0f, dx.F32 + firstX, width);
            }
            return;
        }
        if (dw is not null)
            MatMul.Run(Columns(Tape, X, Part, inner), true, grad, false, Slice(Tape, dw, Part), accumulate: moreW);
        if (dx is not null)
        {
            Tensor w = Slice(Tape, W, Part), product = whole ? dx : Tape.New(new Shape(rows, inner), dx.DType);
            MatMul.Run(grad, false, w, true, product, accumulate: whole && moreX);
            if (!whole)
                AddColumns(dx, product, Part);
        }
    }

    // Part of a [P, D, out]; the whole where there is but one.
    private static Tensor Slice(Tape tape, Tensor w, int part)
    {
        var shape = new Shape(w.Shape[w.Shape.Rank - 2], w.Shape.Last);
        return tape.Slice(w, part * shape.Count, shape);
    }

    // Products on devices take matrices without gaps: the columns of a part are copied together.
    private static Tensor Columns(Tape tape, Tensor x, int part, int inner)
    {
        int rows = x.Shape.Rows, width = x.Shape.Last;
        if (width == inner)
            return x;
        var gpu = (KernelDevice)x.Device;
        Tensor columns = tape.New(new Shape(rows, inner), x.DType);
        gpu.Launch(TakeEach, gpu.Over(columns.Shape.Count), x, columns, rows, width, part * inner, inner);
        return columns;
    }

    private static void AddColumns(Tensor dx, Tensor product, int part)
    {
        var gpu = (KernelDevice)dx.Device;
        int rows = product.Shape.Rows, inner = product.Shape.Last;
        gpu.Launch(AddEach, gpu.Over(product.Shape.Count), product, dx, rows, dx.Shape.Last, part * inner, inner);
    }

    [Kernel]
    private static void TakeKernel<T>(View<T> x, View<T> columns, int rows, int width, int first, int inner) where T : unmanaged
    {
        int row = Gpu.Item / inner, i = Gpu.Item % inner;
        if (row < rows)
            columns.At((long)row * inner).Store(i, x.At((long)row * width).Load(first + i));
    }

    [Kernel]
    private static void AddKernel<T>(View<T> columns, View<T> sum, int rows, int width, int first, int inner) where T : unmanaged
    {
        int row = Gpu.Item / inner, i = Gpu.Item % inner;
        if (row < rows)
        {
            View<T> to = sum.At((long)row * width);
            to.Store(first + i, to.Load(first + i) + columns.At((long)row * inner).Load(i));
        }
    }
}
