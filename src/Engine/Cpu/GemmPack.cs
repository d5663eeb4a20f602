using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Cpu;

/// <summary>Copies blocks of the operands into the layouts the micro-kernel reads, widening bf16 on the way.</summary>
internal static unsafe class GemmPack<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>Copies <paramref name="rows"/> rows of <paramref name="width"/> values, filling each up with zeros to <paramref name="stride"/> values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows<T>(T* from, nint ld, int rows, int width, float* to, int stride) where T : unmanaged
    {
        // The two usual widths, a panel of B and a transposed tile of A, without the loops over a row.
        if (width == stride && width == 2 * L.Width)
        {
            for (int i = 0; i < rows; i++, from += ld, to += stride)
            {
                L.Store(Load(from), to);
                L.Store(Load(from + L.Width), to + L.Width);
            }
            return;
        }
        if (width == stride && width == 12)
        {
            for (int i = 0; i < rows; i++, from += ld, to += stride)
            {
                Four(from).Store(to);
                Four(from + 4).Store(to + 4);
                Four(from + 8).Store(to + 8);
            }
            return;
        }
        for (int i = 0; i < rows; i++, from += ld, to += stride)
        {
            int j = 0;
            for (; j <= width - L.Width; j += L.Width)
                L.Store(Load(from + j), to + j);
            for (; j <= width - 4; j += 4)
                Four(from + j).Store(to + j);
            for (; j < width; j++)
                to[j] = One(from + j);
            for (; j < stride; j++)
                to[j] = 0;
        }
    }

    /// <summary>
    /// Transposes: to[p·stride + j] = from[j·ld + p] for p below <paramref name="k"/> and j below <paramref name="width"/>, zeros for
    /// the j from there to <paramref name="stride"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transposed<T>(T* from, nint ld, int k, int width, float* to, int stride) where T : unmanaged
    {
        int j = 0;
        for (; j <= width - 4; j += 4, from += 4 * ld)
        {
            T* from1 = from + ld, from2 = from1 + ld, from3 = from2 + ld;
            float* out0 = to + j;
            int p = 0;
            for (; p <= k - L.Width; p += L.Width, out0 += L.Width * stride)
            {
                if (Sse.IsSupported)
                {
                    // The rows that follow: each is too short a run for the processor to see them coming.
                    Sse.Prefetch0(from3 + ld + p);
                    Sse.Prefetch0(from3 + 2 * ld + p);
                    Sse.Prefetch0(from3 + 3 * ld + p);
                    Sse.Prefetch0(from3 + 4 * ld + p);
                }
                V r0 = Load(from + p), r1 = Load(from1 + p), r2 = Load(from2 + p), r3 = Load(from3 + p);
                V low02 = L.UnpackLow(r0, r2), low13 = L.UnpackLow(r1, r3), high02 = L.UnpackHigh(r0, r2), high13 = L.UnpackHigh(r1, r3);
                L.StoreParts(L.UnpackLow(low02, low13), out0, 4 * stride);
                L.StoreParts(L.UnpackHigh(low02, low13), out0 + stride, 4 * stride);
                L.StoreParts(L.UnpackLow(high02, high13), out0 + 2 * stride, 4 * stride);
                L.StoreParts(L.UnpackHigh(high02, high13), out0 + 3 * stride, 4 * stride);
            }
            for (; p < k; p++, out0 += stride)
                Vector128.Create(One(from + p), One(from1 + p), One(from2 + p), One(from3 + p)).Store(out0);
        }
        for (; j < width; j++, from += ld)
        {
            for (int p = 0; p < k; p++)
                to[p * stride + j] = One(from + p);
        }
        for (; j < stride; j++)
        {
            for (int p = 0; p < k; p++)
                to[p * stride + j] = 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Load<T>(T* from) where T : unmanaged =>
        typeof(T) == typeof(BFloat16) ? L.Load((BFloat16*)from) : L.Load((float*)from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Four<T>(T* from) where T : unmanaged =>
        typeof(T) == typeof(BFloat16) ? Lanes128.Load((BFloat16*)from) : Vector128.Load((float*)from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float One<T>(T* from) where T : unmanaged =>
        typeof(T) == typeof(BFloat16) ? (float)*(BFloat16*)from : *(float*)from;
}
