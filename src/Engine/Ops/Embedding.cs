using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>y[t] = factor · w[ids[t]]. ids: [N] i32, w: [V, C] fp32, or frozen in bf16 or quantised blocks; y: [N, C]. Gemma's factor is √C.</summary>
    /// <exception cref="MarrowException">An id lies outside the vocabulary.</exception>
    public static Tensor Embedding(Tensor ids, Tensor w, float factor = 1f)
    {
        Check.Type("embedding", ids, "ids", DType.I32);
        Check.Matrix("embedding", w, "w");
        Tape tape = ids.Tape!;
        Tensor y = tape.NewActivation(new Shape(ids.Shape.Elements, w.Shape.Last));
        EmbeddingNode.Forward(ids, w, y, factor);
        if (tape.Tracks(w))
        {
            var node = tape.Rent<EmbeddingNode>();
            (node.Ids, node.W, node.Factor) = (node.Save(ids), w, factor);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The embedding's reference, bodies and backward.</summary>
internal sealed unsafe class EmbeddingNode : Node
{
    private static readonly Kernel GatherRows = Kernel.Of(typeof(EmbeddingNode), nameof(GatherKernel)), ScatterIds = Kernel.Of(typeof(EmbeddingNode), nameof(ScatterKernel));

    private long[] _order = [];

    public Tensor Ids = null!, W = null!;
    public float Factor;

    public static NdArray Reference(int[] ids, NdArray w, double factor = 1)
    {
        var y = new NdArray(new Shape(ids.Length, w.Shape.Last));
        for (int t = 0; t < ids.Length; t++)
            for (int i = 0; i < w.Shape.Last; i++)
                y[t, i] = factor * w[ids[t], i];
        return y;
    }

    public static void Forward(Tensor ids, Tensor w, Tensor y, float factor)
    {
        int n = ids.Shape.Elements, c = w.Shape.Last;
        if (w.Device is KernelDevice gpu)
        {
            ReadOnlySpan<int> known = ids.OnHost;
            for (int t = 0; t < n; t++)
                CheckId(known[t], t, w);
            Gather(gpu, w, ids, 0, y, factor);
            return;
        }
        for (int t = 0; t < n; t++)
        {
            int id = ids.I32[t];
            CheckId(id, t, w);
            w.Widen((long)id * c, c, y.F32 + (long)t * c);
            if (factor != 1f)
                Simd.Scale(y.F32 + (long)t * c, factor, c);
        }
    }

    /// <summary>to[t] = factor · from[rows[first + t]] for every row of <paramref name="to"/>, on a device that runs kernels.</summary>
    public static void Gather(KernelDevice gpu, Tensor from, Tensor rows, long first, Tensor to, float factor = 1f)
    {
        int c = to.Shape.Last, quads = Quads.InRows(c, from, to), lanes = quads > 0 ? quads : c;
        gpu.Launch(GatherRows, gpu.Over((long)to.Shape.Rows * lanes), from, Arg.At(rows, first), to, to.Shape.Rows, c, lanes, quads > 0, factor);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (SumOf(W) is not { } dw)
            return;
        if (grad.Device is KernelDevice gpu)
        {
            Scatter(gpu, grad, dw);
            return;
        }
        var body = new ScatterBody { Ids = Ids.I32, Dy = grad.F32, Dw = dw.F32, N = grad.Shape.Rows, C = grad.Shape.Last, Factor = Factor };
        ((CpuDevice)grad.Device).Pool.ForRange(grad.Shape.Last, 64, ref body);
    }

    // The rows of each id in order, so that one group adds up all of one id and no two write the same place.
    private void Scatter(KernelDevice gpu, Tensor grad, Tensor dw)
    {
        ReadOnlySpan<int> ids = Ids.OnHost;
        int n = ids.Length, c = grad.Shape.Last, distinct = 0;
        if (_order.Length < n)
            _order = new long[n];
        for (int t = 0; t < n; t++)
            _order[t] = ((long)ids[t] << 32) + t;
        Span<long> order = _order.AsSpan(0, n);
        order.Sort();
        // The rows, then where each id's rows start and end.
        Span<int> plan = Tape.HostList(2 * n + 1);
        for (int i = 0; i < n; i++)
        {
            plan[i] = (int)order[i];
            if (i == 0 || order[i] >> 32 != order[i - 1] >> 32)
                plan[n + distinct++] = i;
        }
        plan[n + distinct] = n;
        Tensor list = Tape.Upload(plan[..(n + distinct + 1)]);
        gpu.Launch(ScatterIds, new Grid(gpu.LanesFor(c, 128), distinct, (c + 127) / 128), Ids, list, Arg.At(list, n), grad, dw, c, Factor);
    }

    private static void CheckId(int id, int t, Tensor w)
    {
        if ((uint)id >= (uint)w.Shape.Rows)
            throw new MarrowException("E105", $"embedding: token id {id} at position {t} is outside the vocabulary of {w.Shape.Rows}. Does the tokenizer belong to this model? [E105]");
    }

    [Kernel]
    private static void GatherKernel<TFrom, TTo>(View<TFrom> from, View<int> rows, View<TTo> to, int count, int width, int lanesOfRow, bool wide, float factor) where TFrom : unmanaged where TTo : unmanaged
    {
        int t = Gpu.Item / lanesOfRow, i = Gpu.Item % lanesOfRow;
        if (t < count)
        {
            View<TFrom> source = from.At((long)rows[t] * width);
            View<TTo> target = to.At((long)t * width);
            if (wide)
                target.Store4(4 * i, source.Load4(4 * i) * factor);
            else
                target.Store(i, source.Load(i) * factor);
        }
    }

    // A group takes 128 columns of one id and walks over its rows in order.
    [Kernel]
    private static void ScatterKernel<T>(View<int> ids, View<int> rows, View<int> starts, View<T> dy, View<float> dw, int width, float factor) where T : unmanaged
    {
        int first = starts[Gpu.Group], end = starts[Gpu.Group + 1], last = Math.Min(128 * Gpu.GroupY + 128, width);
        View<float> to = dw.At((long)ids[rows[first]] * width);
        for (int i = 128 * Gpu.GroupY + Gpu.Lane; i < last; i += Gpu.Lanes)
        {
            float sum = to[i];
            for (int k = first; k < end; k++)
                sum += dy.At((long)rows[k] * width).Load(i) * factor;
            to[i] = sum;
        }
    }

    // A range of columns at a time: rows of one id are added in order whatever the thread count.
    private struct ScatterBody : IParallelRange
    {
        public int* Ids;
        public float* Dy, Dw;
        public int N, C;
        public float Factor;

        public readonly void Run(int start, int end)
        {
            for (int t = 0; t < N; t++)
                Simd.AddScaled(Dw + (long)Ids[t] * C + start, Dy + (long)t * C + start, Factor, end - start);
        }
    }
}
