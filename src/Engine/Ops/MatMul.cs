using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>Matrix products of whole tensors, for op bodies: c = alpha·op(a)·op(b) (+ c). a and b may be bf16, c is fp32.</summary>
internal static unsafe class MatMul
{
    public static void Run(Tensor a, bool transA, Tensor b, bool transB, Tensor c, float alpha = 1f, bool accumulate = false)
    {
        int m = transA ? a.Shape.Last : a.Shape.Rows, k = transA ? a.Shape.Rows : a.Shape.Last, n = transB ? b.Shape.Rows : b.Shape.Last;
        if (k != (transB ? b.Shape.Last : b.Shape.Rows) || c.Shape.Count != (long)m * n)
            throw new InvalidOperationException($"product of {a}{(transA ? "ᵀ" : "")} and {b}{(transB ? "ᵀ" : "")} into {c}");
        Gemm.Run(((CpuDevice)c.Device).Pool, m, n, k, alpha, Operand(a, 0, a.Shape.Last, transA), Operand(b, 0, b.Shape.Last, transB), accumulate ? 1f : 0f, c.F32, n);
    }

    /// <summary>A matrix in a tensor of type F32 or BF16, from element <paramref name="first"/> on.</summary>
    public static GemmOperand Operand(Tensor t, long first, int stride, bool transposed = false) =>
        t.DType == DType.BF16 ? new(t.BF16 + first, stride, transposed) : new(t.F32 + first, stride, transposed);
}
