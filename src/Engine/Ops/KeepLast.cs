using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// What <see cref="TokenMix"/> is given as previous when the sequences go on: next[s] = the last row of sequence s, or previous[s] (zeros without)
    /// where it is empty (spec/architectures.md §3.2). z: [N, C], starts: [S+1] i32, previous and next: [S, C], which may be one tensor. Not recorded.
    /// </summary>
    public static void KeepLast(Tensor z, Tensor starts, Tensor? previous, Tensor next)
    {
        Check.Activation("keep_last", z, "z");
        Check.Activation("keep_last", next, "next");
        Check.Starts("keep_last", starts, z.Shape.Rows);
        Check.Is("keep_last", next, "next", new Shape(starts.Shape.Elements - 1, z.Shape.Last));
        if (previous is not null)
        {
            Check.Activation("keep_last", previous, "previous");
            Check.Shapes("keep_last", previous, next);
        }
        LastRows.Copy(z, starts, previous, next);
    }
}

/// <summary>The copy of last rows: reference, CPU body and kernel.</summary>
internal static unsafe class LastRows
{
    private static readonly Kernel Sequences = Kernel.Of(typeof(LastRows), nameof(SequenceKernel));

    public static NdArray Reference(NdArray z, int[] starts, NdArray? previous)
    {
        int c = z.Shape.Last;
        var next = new NdArray(new Shape(starts.Length - 1, c));
        for (int s = 0; s + 1 < starts.Length; s++)
            for (int i = 0; i < c; i++)
                next[s, i] = starts[s + 1] > starts[s] ? z[starts[s + 1] - 1, i] : previous is null ? 0 : previous[s, i];
        return next;
    }

    public static void Copy(Tensor z, Tensor starts, Tensor? previous, Tensor next)
    {
        int c = z.Shape.Last, sequences = next.Shape[0];
        if (z.Device is KernelDevice gpu)
        {
            gpu.Launch(Sequences, new Grid(gpu.LanesFor(c), sequences), z, starts, previous, next, c, Quads.InRows(c, z, previous, next), previous is not null);
            return;
        }
        int* start = starts.I32;
        for (int s = 0; s < sequences; s++)
        {
            Span<float> to = new(next.F32 + (long)s * c, c);
            if (start[s + 1] > start[s])
                new Span<float>(z.F32 + (long)(start[s + 1] - 1) * c, c).CopyTo(to);
            else if (previous is not null)
                new Span<float>(previous.F32 + (long)s * c, c).CopyTo(to);
            else
                to.Clear();
        }
    }

    // A group takes one sequence.
    [Kernel]
    private static void SequenceKernel<TZ, TP, TN>(View<TZ> z, View<int> starts, View<TP> previous, View<TN> next, int c, int quads, bool hasPrevious)
        where TZ : unmanaged where TP : unmanaged where TN : unmanaged
    {
        int s = Gpu.Group, end = starts[s + 1];
        bool filled = end > starts[s];
        View<TZ> last = z.At(filled ? (long)(end - 1) * c : 0);
        View<TP> before = previous.At(hasPrevious ? (long)s * c : 0);
        View<TN> to = next.At((long)s * c);
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 v = Vector4.Zero;
            if (filled)
                v = last.Load4(4 * q);
            else if (hasPrevious)
                v = before.Load4(4 * q);
            to.Store4(4 * q, v);
        }
        for (int i = 4 * quads + Gpu.Lane; i < c; i += Gpu.Lanes)
        {
            float v = 0f;
            if (filled)
                v = last.Load(i);
            else if (hasPrevious)
                v = before.Load(i);
            to.Store(i, v);
        }
    }
}
