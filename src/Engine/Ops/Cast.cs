using System.Numerics.Tensors;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// to = from, outside of the tape: equal numbers of elements, each fp32, bf16 or fp16, rounded to nearest even where <paramref name="to"/> is narrower;
    /// <paramref name="from"/> may be quantised on a device that runs kernels.
    /// </summary>
    internal static void CastInto(Tensor to, Tensor from)
    {
        Check.True("cast", to.Shape.Count == from.Shape.Count, $"{from} and {to} have different numbers of elements.");
        bool decodes = from.Device is KernelDevice && KernelDevice.Reads(from.DType);
        Check.True("cast", Casting.Converts(to.DType) && (Casting.Converts(from.DType) || decodes), $"{from} to {to}: only F32, BF16 and F16 convert, and blocks where kernels run.");
        if (to.DType == from.DType)
            to.CopyFrom(from);
        else if (to.Device is KernelDevice gpu)
            Casting.Launch(gpu, to, from);
        else
            Casting.Convert(to, from);
    }
}

/// <summary>Conversions between the storage types, all by way of fp32.</summary>
internal static unsafe class Casting
{
    // Places in a kernel are 32-bit, tensors can be larger.
    private const int PieceElements = 1 << 30, HostPiece = 256;

    private static readonly Kernel Cast = Kernel.Of(typeof(Casting), nameof(CastKernel));

    public static bool Converts(DType type) => type is DType.F32 or DType.BF16 or DType.F16;

    public static void Launch(KernelDevice gpu, Tensor to, Tensor from)
    {
        for (long at = 0; at < to.Shape.Count; at += PieceElements)
        {
            int n = (int)Math.Min(PieceElements, to.Shape.Count - at), quads = Quads.In(n, to, from);
            gpu.Launch(Cast, gpu.Over(n - 3L * quads), Arg.At(to, at), Arg.At(from, at), n, quads);
        }
    }

    public static void Convert(Tensor to, Tensor from)
    {
        float* piece = stackalloc float[HostPiece];
        for (long at = 0; at < to.Shape.Count; at += HostPiece)
        {
            int n = (int)Math.Min(HostPiece, to.Shape.Count - at);
            Span<float> values = new(piece, n);
            void* source = (byte*)from.Buffer.Handle + from.Offset + from.DType.Bytes(at), target = (byte*)to.Buffer.Handle + to.Offset + to.DType.Bytes(at);
            if (from.DType == DType.F32)
                new ReadOnlySpan<float>(source, n).CopyTo(values);
            else if (from.DType == DType.BF16)
                BFloat16.Widen(new ReadOnlySpan<BFloat16>(source, n), values);
            else
                TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(source, n), values);
            if (to.DType == DType.F32)
                values.CopyTo(new Span<float>(target, n));
            else if (to.DType == DType.BF16)
                BFloat16.Narrow(values, new Span<BFloat16>(target, n));
            else
                TensorPrimitives.ConvertToHalf(values, new Span<Half>(target, n));
        }
    }

    [Kernel]
    private static void CastKernel<TTo, TFrom>(View<TTo> to, View<TFrom> from, int n, int quads) where TTo : unmanaged where TFrom : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            to.Store4(4 * i, from.Load4(4 * i));
        }
        else
        {
            i += 3 * quads;
            if (i < n)
                to.Store(i, from.Load(i));
        }
    }
}
