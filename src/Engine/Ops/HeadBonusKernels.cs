using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>The bonus on devices that run kernels: a group takes one head of one row.</summary>
internal sealed partial class HeadBonusNode
{
    private static readonly Kernel ForwardHeads = Kernel.Of(typeof(HeadBonusNode), nameof(ForwardKernel)),
        InputHeads = Kernel.Of(typeof(HeadBonusNode), nameof(InputKernel)), FactorChunks = Kernel.Of(typeof(HeadBonusNode), nameof(FactorKernel));

    private static void ForwardOn(KernelDevice gpu, Tensor y, Tensor r, Tensor k, Tensor u, Tensor v, Tensor sum, int heads, int n)
    {
        int quads = Quads.InRows(n, sum) > 0 ? Quads.InRows(n, y, r, k, u, v) : 0;
        gpu.Launch(ForwardHeads, new Grid(gpu.LanesFor(n), y.Shape.Rows * heads), y, r, k, u, v, sum, n, heads, quads);
    }

    private void BackwardOn(KernelDevice gpu, Tensor grad)
    {
        int n = grad.Shape.Last / Heads, rows = grad.Shape.Rows;
        Tensor? du = GradOf(U, out bool moreU), dr = GradOf(R, out bool moreR), dk = GradOf(K, out bool moreK), dv = GradOf(V, out bool moreV);
        Tensor slopes = Tape.New(new Shape(rows, Heads));
        int quads = Quads.InRows(n, dr ?? R, dk, dv) > 0 ? Quads.InRows(n, grad, R, K, U, V) : 0;
        gpu.Launch(InputHeads, new Grid(gpu.LanesFor(n), rows * Heads), grad, R, K, U, V, dr, dk, dv, slopes, n, Heads, quads,
            dr is not null, dk is not null, dv is not null, moreR, moreK, moreV);
        if (du is not null)
        {
            Tensor partials = ColumnSums.Partials(Tape, rows, Heads * n, out int chunkRows);
            gpu.Launch(FactorChunks, gpu.Over(Heads * n) with { Y = partials.Shape.Rows }, R, K, slopes, partials, n, Heads, rows, chunkRows);
            ColumnSums.Finish(gpu, partials, du, moreU);
        }
    }

    [Kernel]
    private static void ForwardKernel<TY, TR, TK, TV, TSum>(View<TY> ys, View<TR> rs, View<TK> ks, View<float> us, View<TV> vs, View<TSum> sums, int n, int heads, int quads)
        where TY : unmanaged where TR : unmanaged where TK : unmanaged where TV : unmanaged where TSum : unmanaged
    {
        long at = (long)Gpu.Group * n;
        View<TY> y = ys.At(at);
        View<TR> r = rs.At(at);
        View<TK> k = ks.At(at);
        View<TV> v = vs.At(at);
        View<TSum> sum = sums.At(at);
        View<float> u = us.At(Gpu.Group % heads * n);
        float s = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            s += Quads.Dot(r.Load4(4 * q) * k.Load4(4 * q), u.Load4(4 * q));
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            s += r.Load(i) * k.Load(i) * u[i];
        s = Gpu.GroupSum(s);
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            sum.Store4(4 * q, y.Load4(4 * q) + v.Load4(4 * q) * s);
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            sum.Store(i, y.Load(i) + v.Load(i) * s);
    }

    // As BackwardBody; slopes gets ds of each head.
    [Kernel]
    private static void InputKernel<TDy, TR, TK, TV, TDr, TDk, TDv>(View<TDy> dys, View<TR> rs, View<TK> ks, View<float> us, View<TV> vs, View<TDr> drs, View<TDk> dks, View<TDv> dvs,
        View<float> slopes, int n, int heads, int quads, bool withR, bool withK, bool withV, bool moreR, bool moreK, bool moreV)
        where TDy : unmanaged where TR : unmanaged where TK : unmanaged where TV : unmanaged where TDr : unmanaged where TDk : unmanaged where TDv : unmanaged
    {
        long at = (long)Gpu.Group * n;
        View<TDy> dy = dys.At(at);
        View<TR> r = rs.At(at);
        View<TK> k = ks.At(at);
        View<TV> v = vs.At(at);
        View<TDr> dr = drs.At(at);
        View<TDk> dk = dks.At(at);
        View<TDv> dv = dvs.At(at);
        View<float> u = us.At(Gpu.Group % heads * n);
        float s = 0, ds = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            s += Quads.Dot(r.Load4(4 * q) * k.Load4(4 * q), u.Load4(4 * q));
            ds += Quads.Dot(dy.Load4(4 * q), v.Load4(4 * q));
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
        {
            s += r.Load(i) * k.Load(i) * u[i];
            ds += dy.Load(i) * v.Load(i);
        }
        s = Gpu.GroupSum(s);
        ds = Gpu.GroupSum(ds);
        if (Gpu.Lane == 0)
            slopes.At(Gpu.Group).Store(0, ds);
        for (int i = 4 * Gpu.Lane; i < 4 * quads; i += 4 * Gpu.Lanes)
        {
            Vector4 factor = u.Load4(i) * ds;
            if (withR)
            {
                Vector4 d = k.Load4(i) * factor;
                if (moreR)
                    d += dr.Load4(i);
                dr.Store4(i, d);
            }
            if (withK)
            {
                Vector4 d = r.Load4(i) * factor;
                if (moreK)
                    d += dk.Load4(i);
                dk.Store4(i, d);
            }
            if (withV)
            {
                Vector4 d = dy.Load4(i) * s;
                if (moreV)
                    d += dv.Load4(i);
                dv.Store4(i, d);
            }
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
        {
            if (withR)
                dr.Store(i, k.Load(i) * (u[i] * ds) + (moreR ? dr.Load(i) : 0f));
            if (withK)
                dk.Store(i, r.Load(i) * (u[i] * ds) + (moreK ? dk.Load(i) : 0f));
            if (withV)
                dv.Store(i, dy.Load(i) * s + (moreV ? dv.Load(i) : 0f));
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void FactorKernel<TR, TK>(View<TR> r, View<TK> k, View<float> slopes, View<float> partials, int n, int heads, int rows, int chunkRows) where TR : unmanaged where TK : unmanaged
    {
        int i = Gpu.Item, c = heads * n, first = Gpu.GroupY * chunkRows, end = Math.Min(first + chunkRows, rows);
        if (i < c)
        {
            float sum = 0;
            for (int row = first; row < end; row++)
            {
                long at = (long)row * c;
                sum += r.At(at).Load(i) * k.At(at).Load(i) * slopes[(long)row * heads + i / n];
            }
            partials.At((long)Gpu.GroupY * c).Store(i, sum);
        }
    }
}
