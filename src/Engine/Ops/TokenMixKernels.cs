using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>The token shift on devices that run kernels.</summary>
internal sealed unsafe partial class TokenMixNode
{
    private static readonly Kernel ForwardRows = Kernel.Of(typeof(TokenMixNode), nameof(ForwardKernel)), ShiftRows = Kernel.Of(typeof(TokenMixNode), nameof(ShiftKernel)),
        DynamicRows = Kernel.Of(typeof(TokenMixNode), nameof(DynamicKernel)), FactorChunks = Kernel.Of(typeof(TokenMixNode), nameof(FactorKernel));

    private static void ForwardOn(KernelDevice gpu, Tensor z, Tensor mu, Tensor starts, Tensor? previous, Tensor? dynamic, Tensor y)
    {
        int c = z.Shape.Last;
        gpu.Launch(ForwardRows, new Grid(gpu.LanesFor(c), z.Shape.Rows), z, mu, starts, previous, dynamic, y, c, Quads.InRows(c, z, mu, previous, dynamic, y),
            starts.Shape.Elements - 1, previous is not null, dynamic is not null);
    }

    private void BackwardOn(KernelDevice gpu, Tensor grad)
    {
        int c = grad.Shape.Last, rows = grad.Shape.Rows, sequences = Starts.Shape.Elements - 1;
        var grid = new Grid(gpu.LanesFor(c), rows);
        if (GradOf(Z, out bool more) is { } dz)
            gpu.Launch(ShiftRows, grid, grad, Mu, Starts, Dynamic, dz, c, Quads.InRows(c, grad, Mu, Dynamic, dz), sequences, Dynamic is not null, more);
        if (Dynamic is not null && GradOf(Dynamic, out more) is { } dd)
            gpu.Launch(DynamicRows, grid, grad, Z, Starts, Previous, dd, c, Quads.InRows(c, grad, Z, Previous, dd), sequences, Previous is not null, more);
        if (GradOf(Mu, out more) is { } dmu)
        {
            Tensor partials = ColumnSums.Partials(Tape, rows, c, out int chunkRows);
            gpu.Launch(FactorChunks, gpu.Over(c) with { Y = partials.Shape[0] }, grad, Z, Starts, Previous, partials, c, rows, chunkRows, sequences, Previous is not null);
            ColumnSums.Finish(gpu, partials, dmu, more);
        }
    }

    // A group takes one row.
    [Kernel]
    private static void ForwardKernel<TZ, TP, TD, TY>(View<TZ> zs, View<float> mu, View<int> starts, View<TP> previous, View<TD> dynamics, View<TY> ys,
        int c, int quads, int sequences, bool hasPrevious, bool hasDynamic)
        where TZ : unmanaged where TP : unmanaged where TD : unmanaged where TY : unmanaged
    {
        int row = Gpu.Group, s = SequenceOf(starts, sequences, row);
        bool first = starts[s] == row;
        View<TZ> z = zs.At((long)row * c), before = zs.At((long)Math.Max(row - 1, 0) * c);
        View<TP> given = previous.At(hasPrevious ? (long)s * c : 0);
        View<TD> dynamic = dynamics.At(hasDynamic ? (long)row * c : 0);
        View<TY> y = ys.At((long)row * c);
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 v = z.Load4(4 * q), m = mu.Load4(4 * q);
            if (hasDynamic)
                m += dynamic.Load4(4 * q);
            y.Store4(4 * q, v + (Before4(before, given, 4 * q, first, hasPrevious) - v) * m);
        }
        for (int i = 4 * quads + Gpu.Lane; i < c; i += Gpu.Lanes)
        {
            float v = z.Load(i), m = mu[i];
            if (hasDynamic)
                m += dynamic.Load(i);
            y.Store(i, v + (Before(before, given, i, first, hasPrevious) - v) * m);
        }
    }

    // As InputBody.AddShift.
    [Kernel]
    private static void ShiftKernel<TDy, TD, TDz>(View<TDy> dys, View<float> mu, View<int> starts, View<TD> dynamics, View<TDz> dzs,
        int c, int quads, int sequences, bool hasDynamic, bool accumulate)
        where TDy : unmanaged where TD : unmanaged where TDz : unmanaged
    {
        int row = Gpu.Group, s = SequenceOf(starts, sequences, row);
        bool hasNext = row + 1 < starts[s + 1];
        View<TDy> dy = dys.At((long)row * c), after = dys.At((long)(hasNext ? row + 1 : row) * c);
        View<TD> dynamic = dynamics.At(hasDynamic ? (long)row * c : 0), dynamicAfter = dynamics.At(hasDynamic && hasNext ? (long)(row + 1) * c : 0);
        View<TDz> dz = dzs.At((long)row * c);
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 m = mu.Load4(4 * q), mAfter = m, d = dy.Load4(4 * q);
            if (hasDynamic)
                m += dynamic.Load4(4 * q);
            d -= d * m;
            if (hasNext)
            {
                if (hasDynamic)
                    mAfter += dynamicAfter.Load4(4 * q);
                d += after.Load4(4 * q) * mAfter;
            }
            if (accumulate)
                d += dz.Load4(4 * q);
            dz.Store4(4 * q, d);
        }
        for (int i = 4 * quads + Gpu.Lane; i < c; i += Gpu.Lanes)
        {
            float m = mu[i], mAfter = m, d = dy.Load(i);
            if (hasDynamic)
                m += dynamic.Load(i);
            d -= d * m;
            if (hasNext)
            {
                if (hasDynamic)
                    mAfter += dynamicAfter.Load(i);
                d += after.Load(i) * mAfter;
            }
            dz.Store(i, accumulate ? dz.Load(i) + d : d);
        }
    }

    // As InputBody.AddFactor.
    [Kernel]
    private static void DynamicKernel<TDy, TZ, TP, TDd>(View<TDy> dys, View<TZ> zs, View<int> starts, View<TP> previous, View<TDd> dds,
        int c, int quads, int sequences, bool hasPrevious, bool accumulate)
        where TDy : unmanaged where TZ : unmanaged where TP : unmanaged where TDd : unmanaged
    {
        int row = Gpu.Group, s = SequenceOf(starts, sequences, row);
        bool first = starts[s] == row;
        View<TDy> dy = dys.At((long)row * c);
        View<TZ> z = zs.At((long)row * c), before = zs.At((long)Math.Max(row - 1, 0) * c);
        View<TP> given = previous.At(hasPrevious ? (long)s * c : 0);
        View<TDd> dd = dds.At((long)row * c);
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 d = dy.Load4(4 * q) * (Before4(before, given, 4 * q, first, hasPrevious) - z.Load4(4 * q));
            if (accumulate)
                d += dd.Load4(4 * q);
            dd.Store4(4 * q, d);
        }
        for (int i = 4 * quads + Gpu.Lane; i < c; i += Gpu.Lanes)
        {
            float d = dy.Load(i) * (Before(before, given, i, first, hasPrevious) - z.Load(i));
            dd.Store(i, accumulate ? dd.Load(i) + d : d);
        }
    }

    // A lane takes one column of one chunk of rows.
    [Kernel]
    private static void FactorKernel<TDy, TZ, TP>(View<TDy> dy, View<TZ> z, View<int> starts, View<TP> previous, View<float> partials,
        int c, int rows, int chunkRows, int sequences, bool hasPrevious)
        where TDy : unmanaged where TZ : unmanaged where TP : unmanaged
    {
        int i = Gpu.Item, first = Gpu.GroupY * chunkRows, end = Math.Min(first + chunkRows, rows);
        if (i < c)
        {
            int s = SequenceOf(starts, sequences, first);
            float sum = 0, before = first > starts[s] ? z.At((long)(first - 1) * c).Load(i) : 0f;
            for (int row = first; row < end; row++)
            {
                while (starts[s + 1] <= row)
                    s++;
                if (starts[s] == row)
                    before = hasPrevious ? previous.At((long)s * c).Load(i) : 0f;
                float v = z.At((long)row * c).Load(i);
                sum += dy.At((long)row * c).Load(i) * (before - v);
                before = v;
            }
            partials.At((long)Gpu.GroupY * c).Store(i, sum);
        }
    }

    // As Preceding.SequenceOf.
    private static int SequenceOf(View<int> starts, int sequences, int row)
    {
        int low = 0, high = sequences - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (starts[middle] <= row)
                low = middle;
            else
                high = middle - 1;
        }
        return low;
    }

    private static float Before<TZ, TP>(View<TZ> before, View<TP> given, int i, bool first, bool hasPrevious) where TZ : unmanaged where TP : unmanaged
    {
        if (!first)
            return before.Load(i);
        return hasPrevious ? given.Load(i) : 0f;
    }

    private static Vector4 Before4<TZ, TP>(View<TZ> before, View<TP> given, int i, bool first, bool hasPrevious) where TZ : unmanaged where TP : unmanaged
    {
        if (!first)
            return before.Load4(i);
        return hasPrevious ? given.Load4(i) : Vector4.Zero;
    }
}
