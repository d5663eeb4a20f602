using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine;

/// <summary>
/// Matrix products of whole tensors, for op bodies: c = alpha·op(a)·op(b) (+ c), summed in fp32. On the CPU a and b may be bf16, b also in quantised blocks, and c is fp32;
/// on devices that run kernels each is fp32 or bf16. Kernels, one to a file: <c>MatMulPanel</c> for processors, <c>MatMulTiled</c> for GPUs,
/// <c>MatMulTensor</c> for tensor cores, <c>MatMulVector</c> for one row.
/// </summary>
internal static unsafe partial class MatMul
{
    public static void Run(Tensor a, bool transA, Tensor b, bool transB, Tensor c, float alpha = 1f, bool accumulate = false)
    {
        int m = transA ? a.Shape.Last : a.Shape.Rows, k = transA ? a.Shape.Rows : a.Shape.Last, n = transB ? b.Shape.Rows : b.Shape.Last;
        if (k != (transB ? b.Shape.Last : b.Shape.Rows) || c.Shape.Count != (long)m * n)
            throw new InvalidOperationException($"product of {a}{(transA ? "ᵀ" : "")} and {b}{(transB ? "ᵀ" : "")} into {c}");
        if (c.Device is KernelDevice gpu)
        {
            var product = new Product(a, transA, b, transB, c, m, n, k, alpha, accumulate);
            if (!RunByLibrary(gpu, product))
                Run(gpu, product, gpu.Tiles.For(product));
            return;
        }
        Gemm.Run(((CpuDevice)c.Device).Pool, m, n, k, alpha, Operand(a, 0, a.Shape.Last, transA), Operand(b, 0, b.Shape.Last, transB), accumulate ? 1f : 0f, c.F32, n);
    }

    /// <summary>
    /// Many products of one shape, on a device that runs kernels: number z takes a, b and c from z times their strides on. m, n and k are those of one product.
    /// </summary>
    public static void RunMany(int count, Tensor a, bool transA, long strideA, Tensor b, bool transB, long strideB, Tensor c, long strideC, int m, int n, int k, bool accumulate)
    {
        var gpu = (KernelDevice)c.Device;
        var product = new Product(a, transA, b, transB, c, m, n, k, 1f, accumulate) { Count = count, StrideA = strideA, StrideB = strideB, StrideC = strideC };
        Run(gpu, product, gpu.Tiles.For(product));
    }

    /// <summary>A matrix in a tensor of type F32, BF16 or a block type (then the second of a product), from element <paramref name="first"/> on.</summary>
    public static GemmOperand Operand(Tensor t, long first, int stride, bool transposed = false) =>
        t.DType == DType.BF16 ? new(t.BF16 + first, stride, transposed)
        : t.DType.IsBlock() ? new(t.Blocks + t.DType.Bytes(first), BlockFormats.Of(t.DType), stride, transposed)
        : new(t.F32 + first, stride, transposed);

    /// <summary>One product, or <see cref="Count"/> of the same shape. The matrices lie row after row without gaps.</summary>
    internal readonly record struct Product(Tensor A, bool TransA, Tensor B, bool TransB, Tensor C, int M, int N, int K, float Alpha, bool Accumulate)
    {
        public int Count { get; init; } = 1;

        public long StrideA { get; init; }

        public long StrideB { get; init; }

        public long StrideC { get; init; }

        /// <summary>
        /// Whether operands may be rounded to bf16, as tensor cores need them: both are bf16 already or quantised, or one is and the result is bf16.
        /// fp32 activations keep their precision whatever the weight's type.
        /// </summary>
        public bool InBf16 => IsNarrow(A) && IsNarrow(B) || C.DType == DType.BF16 && (IsNarrow(A) || IsNarrow(B));

        private static bool IsNarrow(Tensor t) => t.DType == DType.BF16 || t.DType.IsBlock();
    }
}
