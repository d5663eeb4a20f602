using System.Numerics;
using Marrow.Engine.Jit;

namespace Marrow.Engine.Tests.Jit;

/// <summary>Kernels that read block-quantised rows, and one that must not be translated.</summary>
internal static class BlockKernels
{
    [Kernel]
    internal static void Singly<T>(View<T> x, View<float> y, int rows, int width) where T : unmanaged
    {
        int row = Gpu.Item / width, i = Gpu.Item % width;
        if (row < rows)
            y.At((long)row * width)[i] = x.At((long)row * width).Load(i);
    }

    // From the second row on, by way of functions and a local view.
    [Kernel]
    internal static void InFours<T>(View<T> x, View<float> y, int rows, int width) where T : unmanaged
    {
        int row = Gpu.Item / (width / 4), i = Gpu.Item % (width / 4) * 4;
        View<T> later = x.At(width);
        if (row + 1 < rows)
        {
            View<T> of = later.At((long)row * width);
            y.At((long)row * width).Store4(i, Twice(of, i) - Four(of, i));
        }
    }

    [Kernel]
    internal static void Stored<T>(View<T> x) where T : unmanaged => x.Store(0, 1f);

    [Kernel]
    internal static void Placed<T>(View<T> x, View<T> y) where T : unmanaged => x[0] = y[0];

    private static Vector4 Four<T>(View<T> x, int i) where T : unmanaged => x.Load4(i);

    private static Vector4 Twice<T>(View<T> x, int i) where T : unmanaged => Gpu.InBlocks<T>() ? Four(x, i) * 2f : Vector4.Zero;
}
