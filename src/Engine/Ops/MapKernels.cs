using System.Numerics;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>What maps do on devices that run kernels; bodies as in <see cref="MapNode{TMap}"/>.</summary>
internal static class MapKernels
{
    /// <summary>Places in the array that <see cref="Of"/> gives.</summary>
    public const int Forward = 0, Input = 1, Bias = 2;

    /// <summary>The kernels of one map.</summary>
    public static Kernel[] Of(Type map) =>
    [
        Kernel.Of(typeof(MapKernels), nameof(ForwardKernel), map), Kernel.Of(typeof(MapKernels), nameof(InputKernel), map), Kernel.Of(typeof(MapKernels), nameof(BiasKernel), map),
    ];

    [Kernel]
    private static void ForwardKernel<TX, TY, TMap>(View<TX> x, View<float> bias, View<TY> y, int n, int quads, int channels, bool withBias)
        where TX : unmanaged where TY : unmanaged where TMap : struct, IMap
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            Vector4 v = x.Load4(4 * i);
            if (withBias)
                v += bias.Load4(4 * i % channels);
            y.Store4(4 * i, new Vector4(TMap.Of(v.X), TMap.Of(v.Y), TMap.Of(v.Z), TMap.Of(v.W)));
        }
        else
        {
            i += 3 * quads;
            if (i < n)
                y.Store(i, TMap.Of(withBias ? x.Load(i) + bias.Load(i % channels) : x.Load(i)));
        }
    }

    [Kernel]
    private static void InputKernel<TDy, TY, TDx, TMap>(View<TDy> dy, View<TY> y, View<TDx> dx, int n, int quads, bool accumulate)
        where TDy : unmanaged where TY : unmanaged where TDx : unmanaged where TMap : struct, IMap
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            i *= 4;
            Vector4 v = y.Load4(i), d = dy.Load4(i) * new Vector4(TMap.Slope(v.X), TMap.Slope(v.Y), TMap.Slope(v.Z), TMap.Slope(v.W));
            if (accumulate)
                d += dx.Load4(i);
            dx.Store4(i, d);
        }
        else
        {
            i += 3 * quads;
            if (i < n)
            {
                float d = dy.Load(i) * TMap.Slope(y.Load(i));
                dx.Store(i, accumulate ? dx.Load(i) + d : d);
            }
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void BiasKernel<TDy, TY, TMap>(View<TDy> dy, View<TY> y, View<float> partials, int channels, int rows, int chunkRows)
        where TDy : unmanaged where TY : unmanaged where TMap : struct, IMap
    {
        int i = Gpu.Item, first = Gpu.GroupY * chunkRows, end = Math.Min(first + chunkRows, rows);
        if (i < channels)
        {
            float sum = 0;
            for (int row = first; row < end; row++)
                sum += dy.At((long)row * channels).Load(i) * TMap.Slope(y.At((long)row * channels).Load(i));
            partials.At((long)Gpu.GroupY * channels).Store(i, sum);
        }
    }
}
