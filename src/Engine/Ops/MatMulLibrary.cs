using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cuda;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>Products by a vendor's library, where the device has one: NVIDIA's cuBLASLt. fp32 operands are never rounded to TF32.</summary>
internal static unsafe partial class MatMul
{
    // Our kernels read a quantised weight once for every tile of rows, the library a bf16 copy that has to be written first. The copy has at most 512 MiB.
    private const int FewRows = 32;
    private const long MostDecoded = 1L << 28;

    // True where the library has done the product; false leaves it to our kernels.
    private static bool RunByLibrary(KernelDevice gpu, in Product p)
    {
        if (gpu is not CudaDevice { Blas: { } blas } || p is { M: 0 } or { N: 0 } or { K: 0 } or { Count: > 1 })
            return false;
        if (p.A.DType == p.B.DType)
            return RunByLibrary(blas, p);
        // The library wants one type: an adapter's fp32 weight is rounded to bf16 first where the result is bf16 anyhow, and so is a quantised weight where rows are many.
        if (!p.InBf16 || (p.A.DType != DType.BF16 && p.B.DType != DType.BF16))
            return false;
        Tensor wide = p.A.DType == DType.BF16 ? p.B : p.A;
        if (wide.DType.IsBlock() && (p.M <= FewRows || !DecodesFor(wide)))
            return false;
        if ((p.C.Tape ?? p.A.Tape ?? p.B.Tape) is { } tape)
        {
            int scope = tape.Open();
            bool done = RunRounded(blas, p, wide, tape.New(wide.Shape, DType.BF16));
            tape.Close(scope);
            return done;
        }
        using var narrow = new Tensor(gpu, wide.Shape, DType.BF16);
        return RunRounded(blas, p, wide, narrow);
    }

    /// <summary>Whether a library's products with many rows take a bf16 copy of a quantised weight.</summary>
    internal static bool DecodesFor(Tensor weight) => weight.DType.IsBlock() && weight.Shape.Count <= MostDecoded;

    private static bool RunRounded(CublasLt blas, in Product p, Tensor wide, Tensor narrow)
    {
        Ops.CastInto(narrow, wide);
        return RunByLibrary(blas, wide == p.A ? p with { A = narrow } : p with { B = narrow });
    }

    private static bool RunByLibrary(CublasLt blas, in Product p) => blas.TryMatMul(p.M, p.N, p.K, p.Alpha,
        new CublasLtOperand(Address(p.A), p.A.DType, p.TransA ? p.M : p.K, p.TransA), new CublasLtOperand(Address(p.B), p.B.DType, p.TransB ? p.K : p.N, p.TransB),
        p.Accumulate ? 1f : 0f, new CublasLtOperand(Address(p.C), p.C.DType, p.N));

    private static nint Address(Tensor t) => t.Buffer.Handle + (nint)t.Offset;
}
