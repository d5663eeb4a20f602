using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>The removal key on devices that run kernels: a group takes one head of one row.</summary>
internal sealed partial class RemovalKeyNode
{
    private static readonly Kernel ForwardHeads = Kernel.Of(typeof(RemovalKeyNode), nameof(ForwardKernel)),
        InputHeads = Kernel.Of(typeof(RemovalKeyNode), nameof(InputKernel)), FactorChunks = Kernel.Of(typeof(RemovalKeyNode), nameof(FactorKernel));

    private static void ForwardOn(KernelDevice gpu, Tensor k, Tensor kk, Tensor y, Tensor inverse, int heads, int n) =>
        gpu.Launch(ForwardHeads, new Grid(gpu.LanesFor(n), inverse.Shape.Elements), k, kk, y, inverse, n, heads, Quads.InRows(n, k, kk, y));

    private void BackwardOn(KernelDevice gpu, Tensor grad, int heads, int n, int rows)
    {
        Tensor? dkk = GradOf(Kk, out bool moreKk), dk = GradOf(K, out bool moreK);
        Tensor shares = Tape.New(Inverse.Shape);
        gpu.Launch(InputHeads, new Grid(gpu.LanesFor(n), shares.Shape.Elements), grad, K, Kk, Inverse, dk, shares, n, heads, Quads.InRows(n, grad, K, Kk, dk), dk is not null, moreK);
        if (dkk is not null)
        {
            Tensor partials = ColumnSums.Partials(Tape, rows, heads * n, out int chunkRows);
            gpu.Launch(FactorChunks, gpu.Over(heads * n) with { Y = partials.Shape.Rows }, grad, K, Kk, Inverse, shares, partials, n, heads, rows, chunkRows);
            ColumnSums.Finish(gpu, partials, dkk, moreKk);
        }
    }

    [Kernel]
    private static void ForwardKernel<TK, TY>(View<TK> ks, View<float> kks, View<TY> ys, View<float> inverse, int n, int heads, int quads) where TK : unmanaged where TY : unmanaged
    {
        View<TK> k = ks.At((long)Gpu.Group * n);
        View<TY> y = ys.At((long)Gpu.Group * n);
        View<float> kk = kks.At(Gpu.Group % heads * n);
        float sum = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 v = k.Load4(4 * q) * kk.Load4(4 * q);
            sum += Quads.Dot(v, v);
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            sum += k.Load(i) * kk[i] * (k.Load(i) * kk[i]);
        float norm = MathF.Sqrt(Gpu.GroupSum(sum)), scale = 1f / (norm < Least ? Least : norm);
        if (Gpu.Lane == 0)
            inverse.At(Gpu.Group).Store(0, norm > Least ? scale : 0f);
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            y.Store4(4 * q, k.Load4(4 * q) * kk.Load4(4 * q) * -scale);
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            y.Store(i, k.Load(i) * kk[i] * -scale);
    }

    // As BackwardBody; shares gets (κ·dy) / ‖κ‖² of each head.
    [Kernel]
    private static void InputKernel<TDy, TK, TDk>(View<TDy> dys, View<TK> ks, View<float> kks, View<float> inverses, View<TDk> dks, View<float> shares, int n, int heads, int quads, bool withK, bool accumulate)
        where TDy : unmanaged where TK : unmanaged where TDk : unmanaged
    {
        View<TDy> dy = dys.At((long)Gpu.Group * n);
        View<TK> k = ks.At((long)Gpu.Group * n);
        View<float> kk = kks.At(Gpu.Group % heads * n);
        float inverse = inverses.At(Gpu.Group).Load(0), sum = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            sum += Quads.Dot(k.Load4(4 * q) * kk.Load4(4 * q), dy.Load4(4 * q));
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            sum += k.Load(i) * kk[i] * dy.Load(i);
        float share = Gpu.GroupSum(sum) * inverse * inverse;
        if (Gpu.Lane == 0)
            shares.At(Gpu.Group).Store(0, share);
        if (withK)
        {
            View<TDk> dk = dks.At((long)Gpu.Group * n);
            for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            {
                Vector4 factor = kk.Load4(4 * q), d = (k.Load4(4 * q) * factor * share - dy.Load4(4 * q)) * inverse * factor;
                if (accumulate)
                    d += dk.Load4(4 * q);
                dk.Store4(4 * q, d);
            }
            for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            {
                float d = (k.Load(i) * kk[i] * share - dy.Load(i)) * inverse * kk[i];
                dk.Store(i, accumulate ? d + dk.Load(i) : d);
            }
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void FactorKernel<TDy, TK>(View<TDy> dy, View<TK> k, View<float> kk, View<float> inverse, View<float> shares, View<float> partials, int n, int heads, int rows, int chunkRows)
        where TDy : unmanaged where TK : unmanaged
    {
        int i = Gpu.Item, c = heads * n, first = Gpu.GroupY * chunkRows, end = Math.Min(first + chunkRows, rows);
        if (i < c)
        {
            float sum = 0;
            for (int row = first; row < end; row++)
            {
                long at = (long)row * c, head = (long)row * heads + i / n;
                float v = k.At(at).Load(i);
                sum += (v * kk[i] * shares[head] - dy.At(at).Load(i)) * inverse[head] * v;
            }
            partials.At((long)Gpu.GroupY * c).Store(i, sum);
        }
    }
}
