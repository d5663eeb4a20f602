using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>The value residual on devices that run kernels; bodies as on the CPU.</summary>
internal sealed partial class ValueMixNode
{
    private static readonly Kernel ForwardEach = Kernel.Of(typeof(ValueMixNode), nameof(ForwardKernel)),
        InputEach = Kernel.Of(typeof(ValueMixNode), nameof(InputKernel)), BiasChunks = Kernel.Of(typeof(ValueMixNode), nameof(BiasKernel));

    private static void ForwardOn(KernelDevice gpu, Tensor v, Tensor first, Tensor x, Tensor v0, Tensor y)
    {
        int n = v.Shape.Elements, c = v.Shape.Last, quads = c % 4 == 0 ? Quads.In(n, v, first, x, v0, y) : 0;
        gpu.Launch(ForwardEach, gpu.Over(n - 3L * quads), v, first, x, v0, y, n, quads, c);
    }

    private void BackwardOn(KernelDevice gpu, Tensor grad)
    {
        int n = grad.Shape.Elements, c = grad.Shape.Last, rows = grad.Shape.Rows;
        bool keeps = X.NeedsGrad || V0.NeedsGrad;
        if (GradOf(V0, out bool more) is { } dv0)
        {
            Tensor partials = ColumnSums.Partials(Tape, rows, c, out int chunkRows);
            gpu.Launch(BiasChunks, gpu.Over(c) with { Y = partials.Shape.Rows }, grad, V, First, X, V0, partials, c, rows, chunkRows);
            ColumnSums.Finish(gpu, partials, dv0, more);
        }
        Tensor? dv = GradOf(V, out bool moreV), df = GradOf(First, out bool moreFirst), dx = GradOf(X, out bool moreX);
        if (dv is not null || df is not null || dx is not null)
        {
            // Without a gradient of the gate v and first may be gone, and are not read.
            Tensor v = keeps ? V : X, first = keeps ? First : X;
            int quads = c % 4 == 0 && Quads.In(n, grad, v, first, X, V0) > 0 ? Quads.In(n, dv ?? X, df, dx) : 0;
            gpu.Launch(InputEach, gpu.Over(n - 3L * quads), grad, v, first, X, V0, dv, df, dx, n, quads, c, dv is not null, df is not null, dx is not null, moreV, moreFirst, moreX);
        }
    }

    [Kernel]
    private static void ForwardKernel<TV, TFirst, TX, TY>(View<TV> v, View<TFirst> first, View<TX> x, View<float> v0, View<TY> y, int n, int quads, int c)
        where TV : unmanaged where TFirst : unmanaged where TX : unmanaged where TY : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            i *= 4;
            Vector4 own = v.Load4(i);
            y.Store4(i, own + (first.Load4(i) - own) * Gate(v0.Load4(i % c) + x.Load4(i)));
        }
        else
        {
            i += 3 * quads;
            if (i < n)
                y.Store(i, v.Load(i) + (first.Load(i) - v.Load(i)) * SigmoidMap.Of(v0[i % c] + x.Load(i)));
        }
    }

    [Kernel]
    private static void InputKernel<TDy, TV, TFirst, TX, TDv, TDf, TDx>(View<TDy> dy, View<TV> v, View<TFirst> first, View<TX> x, View<float> v0,
        View<TDv> dv, View<TDf> df, View<TDx> dx, int n, int quads, int c, bool withV, bool withFirst, bool withX, bool moreV, bool moreFirst, bool moreX)
        where TDy : unmanaged where TV : unmanaged where TFirst : unmanaged where TX : unmanaged where TDv : unmanaged where TDf : unmanaged where TDx : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            i *= 4;
            Vector4 g = dy.Load4(i), s = Gate(v0.Load4(i % c) + x.Load4(i));
            if (withV)
            {
                Vector4 d = g - g * s;
                if (moreV)
                    d += dv.Load4(i);
                dv.Store4(i, d);
            }
            if (withFirst)
            {
                Vector4 d = g * s;
                if (moreFirst)
                    d += df.Load4(i);
                df.Store4(i, d);
            }
            if (withX)
            {
                Vector4 d = (first.Load4(i) - v.Load4(i)) * g * s * (Vector4.One - s);
                if (moreX)
                    d += dx.Load4(i);
                dx.Store4(i, d);
            }
        }
        else
        {
            i += 3 * quads;
            if (i < n)
            {
                float g = dy.Load(i), s = SigmoidMap.Of(v0[i % c] + x.Load(i));
                if (withV)
                    dv.Store(i, g - g * s + (moreV ? dv.Load(i) : 0f));
                if (withFirst)
                    df.Store(i, g * s + (moreFirst ? df.Load(i) : 0f));
                if (withX)
                    dx.Store(i, (first.Load(i) - v.Load(i)) * g * s * (1f - s) + (moreX ? dx.Load(i) : 0f));
            }
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void BiasKernel<TDy, TV, TFirst, TX>(View<TDy> dy, View<TV> v, View<TFirst> first, View<TX> x, View<float> v0, View<float> partials, int c, int rows, int chunkRows)
        where TDy : unmanaged where TV : unmanaged where TFirst : unmanaged where TX : unmanaged
    {
        int i = Gpu.Item, start = Gpu.GroupY * chunkRows, end = Math.Min(start + chunkRows, rows);
        if (i < c)
        {
            float sum = 0;
            for (int row = start; row < end; row++)
            {
                long at = (long)row * c;
                float s = SigmoidMap.Of(v0[i] + x.At(at).Load(i));
                sum += dy.At(at).Load(i) * (first.At(at).Load(i) - v.At(at).Load(i)) * s * (1f - s);
            }
            partials.At((long)Gpu.GroupY * c).Store(i, sum);
        }
    }

    private static Vector4 Gate(Vector4 v) => new(SigmoidMap.Of(v.X), SigmoidMap.Of(v.Y), SigmoidMap.Of(v.Z), SigmoidMap.Of(v.W));
}
