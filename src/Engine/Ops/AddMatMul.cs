using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// y + scale·h·w, computed into y's own buffer: the low-rank side path of an adapter. y: [N, out], h: [N, r],
    /// w: [r, out] fp32, or [out, r] with <paramref name="transposed"/>. y must not be used afterwards, and nothing may have kept it for backward.
    /// </summary>
    public static Tensor AddMatMul(Tensor y, Tensor h, Tensor w, bool transposed, float scale = 1f)
    {
        Check.Activation("add_matmul", y, "y");
        Check.Activation("add_matmul", h, "h");
        Check.Type("add_matmul", w, "w", DType.F32);
        int outputs = transposed ? w.Shape.Rows : w.Shape.Last, inner = transposed ? w.Shape.Last : w.Shape.Rows;
        Check.LastDim("add_matmul", h, "h", inner);
        Check.Is("add_matmul", y, "y", new Shape(h.Shape.Rows, outputs));
        Check.True("add_matmul", y.Holds == 1, "y is kept by another op's backward and cannot be written in place.");
        Tape tape = y.Tape!;
        MatMul.Run(h, false, w, transposed, y, scale, accumulate: true);
        Tensor result = tape.Alias(y);
        if (tape.Tracks(y, h, w))
        {
            var node = tape.Rent<AddMatMulNode>();
            (node.Y, node.H, node.W, node.Transposed, node.Scale) = (y, w.NeedsGrad ? node.Save(h) : h, w, transposed, scale);
            tape.Record(node, result);
        }
        return result;
    }
}

/// <summary>The reference and backward of adding a product in place.</summary>
internal sealed class AddMatMulNode : Node
{
    public Tensor Y = null!, H = null!, W = null!;
    public bool Transposed;
    public float Scale;

    public static NdArray Reference(NdArray y, NdArray h, NdArray w, bool transposed, double scale) =>
        y.Zip(h.TimesTransposed(transposed ? w : w.Transposed()), (a, p) => a + scale * p);

    protected internal override void Backward(Tensor grad)
    {
        if (GradOf(W, out bool more) is { } dw)
        {
            if (Transposed)
                MatMul.Run(grad, true, H, false, dw, Scale, more);
            else
                MatMul.Run(H, true, grad, false, dw, Scale, more);
        }
        if (GradOf(H, out more) is { } dh)
            MatMul.Run(grad, false, W, !Transposed, dh, Scale, more);
        PassGrad(Y, grad);
    }
}
