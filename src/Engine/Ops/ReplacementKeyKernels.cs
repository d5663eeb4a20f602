using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>The replacement key on devices that run kernels; bodies as on the CPU.</summary>
internal sealed partial class ReplacementKeyNode
{
    private static readonly Kernel ForwardEach = Kernel.Of(typeof(ReplacementKeyNode), nameof(ForwardKernel)),
        InputEach = Kernel.Of(typeof(ReplacementKeyNode), nameof(InputKernel)), FactorChunks = Kernel.Of(typeof(ReplacementKeyNode), nameof(FactorKernel));

    private static void ForwardOn(KernelDevice gpu, Tensor k, Tensor rate, Tensor ka, Tensor y)
    {
        int n = k.Shape.Elements, c = k.Shape.Last, quads = c % 4 == 0 ? Quads.In(n, k, rate, ka, y) : 0;
        gpu.Launch(ForwardEach, gpu.Over(n - 3L * quads), k, rate, ka, y, n, quads, c);
    }

    private void BackwardOn(KernelDevice gpu, Tensor grad)
    {
        int n = grad.Shape.Elements, c = grad.Shape.Last, rows = grad.Shape.Rows;
        if (GradOf(Ka, out bool more) is { } dka)
        {
            Tensor partials = ColumnSums.Partials(Tape, rows, c, out int chunkRows);
            gpu.Launch(FactorChunks, gpu.Over(c) with { Y = partials.Shape.Rows }, grad, K, Rate, partials, c, rows, chunkRows);
            ColumnSums.Finish(gpu, partials, dka, more);
        }
        Tensor? dk = GradOf(K, out bool moreK), drate = GradOf(Rate, out bool moreRate);
        if (dk is not null || drate is not null)
        {
            int quads = c % 4 == 0 && Quads.In(n, Ka) > 0 ? Quads.In(n, grad, K, Rate, dk, drate) : 0;
            gpu.Launch(InputEach, gpu.Over(n - 3L * quads), grad, K, Rate, Ka, dk, drate, n, quads, c, dk is not null, drate is not null, moreK, moreRate);
        }
    }

    [Kernel]
    private static void ForwardKernel<TK, TRate, TY>(View<TK> k, View<TRate> rate, View<float> ka, View<TY> y, int n, int quads, int c)
        where TK : unmanaged where TRate : unmanaged where TY : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            i *= 4;
            y.Store4(i, k.Load4(i) * (Vector4.One + (rate.Load4(i) - Vector4.One) * ka.Load4(i % c)));
        }
        else
        {
            i += 3 * quads;
            if (i < n)
                y.Store(i, k.Load(i) * (1f + (rate.Load(i) - 1f) * ka[i % c]));
        }
    }

    [Kernel]
    private static void InputKernel<TDy, TK, TRate, TDk, TDrate>(View<TDy> dy, View<TK> k, View<TRate> rate, View<float> ka, View<TDk> dk, View<TDrate> drate, int n, int quads, int c,
        bool withK, bool withRate, bool moreK, bool moreRate) where TDy : unmanaged where TK : unmanaged where TRate : unmanaged where TDk : unmanaged where TDrate : unmanaged
    {
        int i = Gpu.Item;
        if (i < quads)
        {
            i *= 4;
            Vector4 g = dy.Load4(i), factor = ka.Load4(i % c);
            if (withK)
            {
                Vector4 d = g * (Vector4.One + (rate.Load4(i) - Vector4.One) * factor);
                if (moreK)
                    d += dk.Load4(i);
                dk.Store4(i, d);
            }
            if (withRate)
            {
                Vector4 d = g * k.Load4(i) * factor;
                if (moreRate)
                    d += drate.Load4(i);
                drate.Store4(i, d);
            }
        }
        else
        {
            i += 3 * quads;
            if (i < n)
            {
                float g = dy.Load(i), factor = ka[i % c];
                if (withK)
                    dk.Store(i, g * (1f + (rate.Load(i) - 1f) * factor) + (moreK ? dk.Load(i) : 0f));
                if (withRate)
                    drate.Store(i, g * k.Load(i) * factor + (moreRate ? drate.Load(i) : 0f));
            }
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void FactorKernel<TDy, TK, TRate>(View<TDy> dy, View<TK> k, View<TRate> rate, View<float> partials, int c, int rows, int chunkRows)
        where TDy : unmanaged where TK : unmanaged where TRate : unmanaged
    {
        int i = Gpu.Item, first = Gpu.GroupY * chunkRows, end = Math.Min(first + chunkRows, rows);
        if (i < c)
        {
            float sum = 0;
            for (int row = first; row < end; row++)
            {
                long at = (long)row * c;
                sum += dy.At(at).Load(i) * k.At(at).Load(i) * (rate.At(at).Load(i) - 1f);
            }
            partials.At((long)Gpu.GroupY * c).Store(i, sum);
        }
    }
}
