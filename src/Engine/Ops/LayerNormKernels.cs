using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>LayerNorm on devices that run kernels.</summary>
internal sealed unsafe partial class LayerNormNode
{
    private static readonly Kernel ForwardRuns = Kernel.Of(typeof(LayerNormNode), nameof(ForwardKernel)),
        InputRuns = Kernel.Of(typeof(LayerNormNode), nameof(InputKernel)), WeightChunks = Kernel.Of(typeof(LayerNormNode), nameof(WeightKernel));

    private static void ForwardOn(KernelDevice gpu, Tensor x, Tensor w, Tensor b, Tensor y, Tensor statistics, int groups, float eps)
    {
        int n = x.Shape.Last / groups;
        gpu.Launch(ForwardRuns, new Grid(gpu.LanesFor(n), statistics.Shape[0]), x, w, b, y, statistics, n, groups, Quads.InRows(n, x, w, b, y), eps);
    }

    private void BackwardOn(KernelDevice gpu, Tensor grad)
    {
        int c = X.Shape.Last, n = c / Groups, rows = X.Shape.Rows;
        Tensor? dw = GradOf(W, out bool moreW), db = GradOf(B, out bool moreB);
        if (dw is not null || db is not null)
        {
            Tensor products = ColumnSums.Partials(Tape, rows, c, out int chunkRows), sums = ColumnSums.Partials(Tape, rows, c, out _);
            gpu.Launch(WeightChunks, gpu.Over(c) with { Y = products.Shape[0] }, grad, X, Statistics, products, sums, c, n, rows, chunkRows, dw is not null, db is not null);
            if (dw is not null)
                ColumnSums.Finish(gpu, products, dw, moreW);
            if (db is not null)
                ColumnSums.Finish(gpu, sums, db, moreB);
        }
        if (GradOf(X, out bool more) is { } dx)
            gpu.Launch(InputRuns, new Grid(gpu.LanesFor(n), Statistics.Shape[0]), grad, X, W, Statistics, dx, n, Groups, Quads.InRows(n, grad, X, W, dx), more);
    }

    // A group takes one run of n channels.
    [Kernel]
    private static void ForwardKernel<TX, TY>(View<TX> xs, View<float> ws, View<float> bs, View<TY> ys, View<float> statistics, int n, int groups, int quads, float eps)
        where TX : unmanaged where TY : unmanaged
    {
        View<TX> x = xs.At((long)Gpu.Group * n);
        View<TY> y = ys.At((long)Gpu.Group * n);
        View<float> w = ws.At(Gpu.Group % groups * n), b = bs.At(Gpu.Group % groups * n);
        float sum = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            sum += Quads.Dot(x.Load4(4 * q), Vector4.One);
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            sum += x.Load(i);
        float mean = Gpu.GroupSum(sum) / n, squares = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 d = x.Load4(4 * q) - Vector4.One * mean;
            squares += Quads.Dot(d, d);
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
        {
            float d = x.Load(i) - mean;
            squares += d * d;
        }
        float r = 1f / MathF.Sqrt(Gpu.GroupSum(squares) / n + eps);
        if (Gpu.Lane == 0)
        {
            View<float> of = statistics.At(2L * Gpu.Group);
            of.Store(0, mean);
            of.Store(1, r);
        }
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            y.Store4(4 * q, (x.Load4(4 * q) - Vector4.One * mean) * r * w.Load4(4 * q) + b.Load4(4 * q));
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
            y.Store(i, (x.Load(i) - mean) * r * w[i] + b[i]);
    }

    // As InputBody.
    [Kernel]
    private static void InputKernel<TDy, TX, TDx>(View<TDy> dys, View<TX> xs, View<float> ws, View<float> statistics, View<TDx> dxs, int n, int groups, int quads, bool accumulate)
        where TDy : unmanaged where TX : unmanaged where TDx : unmanaged
    {
        View<TDy> dy = dys.At((long)Gpu.Group * n);
        View<TX> x = xs.At((long)Gpu.Group * n);
        View<TDx> dx = dxs.At((long)Gpu.Group * n);
        View<float> w = ws.At(Gpu.Group % groups * n), of = statistics.At(2L * Gpu.Group);
        float mean = of[0], r = of[1], sum = 0, product = 0;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 d = dy.Load4(4 * q) * w.Load4(4 * q);
            sum += Quads.Dot(d, Vector4.One);
            product += Quads.Dot(d, x.Load4(4 * q) - Vector4.One * mean);
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
        {
            float d = dy.Load(i) * w[i];
            sum += d;
            product += d * (x.Load(i) - mean);
        }
        float shift = Gpu.GroupSum(sum) / n, slope = Gpu.GroupSum(product) / n * r * r;
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 d = (dy.Load4(4 * q) * w.Load4(4 * q) - Vector4.One * shift - (x.Load4(4 * q) - Vector4.One * mean) * slope) * r;
            if (accumulate)
                d += dx.Load4(4 * q);
            dx.Store4(4 * q, d);
        }
        for (int i = 4 * quads + Gpu.Lane; i < n; i += Gpu.Lanes)
        {
            float d = (dy.Load(i) * w[i] - shift - (x.Load(i) - mean) * slope) * r;
            dx.Store(i, accumulate ? dx.Load(i) + d : d);
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void WeightKernel<TDy, TX>(View<TDy> dy, View<TX> x, View<float> statistics, View<float> products, View<float> sums,
        int c, int n, int rows, int chunkRows, bool withW, bool withB)
        where TDy : unmanaged where TX : unmanaged
    {
        int i = Gpu.Item, first = Gpu.GroupY * chunkRows, end = Math.Min(first + chunkRows, rows);
        if (i < c)
        {
            float product = 0, sum = 0;
            for (int row = first; row < end; row++)
            {
                float d = dy.At((long)row * c).Load(i);
                sum += d;
                if (withW)
                {
                    View<float> of = statistics.At(2L * ((long)row * (c / n) + i / n));
                    product += d * (x.At((long)row * c).Load(i) - of[0]) * of[1];
                }
            }
            if (withW)
                products.At((long)Gpu.GroupY * c).Store(i, product);
            if (withB)
                sums.At((long)Gpu.GroupY * c).Store(i, sum);
        }
    }
}
