using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>y = f(x + bias), the bias one value for each channel or none: reference, CPU bodies and backward of every map. Backward needs y only.</summary>
internal sealed unsafe class MapNode<TMap> : Node where TMap : struct, IMap
{
    private const int Grain = 8192;

    private Tensor _x = null!, _y = null!;
    private Tensor? _bias;

    public static NdArray Reference(NdArray x, NdArray? bias = null)
    {
        var y = new NdArray(x.Shape);
        for (int i = 0; i < y.Values.Length; i++)
            y.Values[i] = TMap.Reference(x.Values[i] + (bias is null ? 0 : bias.Values[i % bias.Values.Length]));
        return y;
    }

    /// <summary>Checks, computes and records; y is of type <paramref name="result"/>.</summary>
    public static Tensor Apply(string op, Tensor x, Tensor? bias, DType result)
    {
        Check.Activation(op, x, "x");
        if (bias is not null)
            Check.Channels(op, bias, "bias", x.Shape.Last);
        Tape tape = x.Tape!;
        Tensor y = tape.New(x.Shape, result);
        Forward(x, bias, y);
        if (tape.Tracks(x, bias))
        {
            var node = tape.Rent<MapNode<TMap>>();
            (node._x, node._bias, node._y) = (x, bias, node.Save(y));
            tape.Record(node, y);
        }
        return y;
    }

    protected internal override void Backward(Tensor grad)
    {
        int n = grad.Shape.Elements, channels = grad.Shape.Last, rows = grad.Shape.Rows;
        if (grad.Device is KernelDevice gpu)
        {
            BackwardOn(gpu, grad, n, channels, rows);
            return;
        }
        WorkerPool pool = ((CpuDevice)grad.Device).Pool;
        Tensor? db = _bias is null ? null : SumOf(_bias), dx = GradOf(_x, out bool accumulate);
        var body = new BackwardBody { Dy = grad.F32, Y = _y.F32, Dx = dx is null ? null : dx.F32, Channels = channels, Accumulate = accumulate };
        if (db is not null)
        {
            Tensor sums = ColumnSums.Partials(Tape, rows, channels, out body.ChunkRows);
            body.Sums = sums.F32;
            pool.ForRange(rows, body.ChunkRows, ref body);
            ColumnSums.Finish(pool, sums, db);
        }
        else if (dx is not null)
        {
            pool.ForRange(n, Grain, ref body);
        }
    }

    private static void Forward(Tensor x, Tensor? bias, Tensor y)
    {
        int n = x.Shape.Elements, channels = x.Shape.Last;
        if (x.Device is KernelDevice gpu)
        {
            int quads = bias is null || channels % 4 == 0 ? Quads.In(n, x, y, bias) : 0;
            gpu.Launch(TMap.Kernels[MapKernels.Forward], gpu.Over(n - 3L * quads), x, bias, y, n, quads, channels, bias is not null);
            return;
        }
        WorkerPool pool = ((CpuDevice)x.Device).Pool;
        var body = new ForwardBody { X = x.F32, Bias = bias is null ? null : bias.F32, Y = y.F32, Channels = channels };
        if (bias is null)
            pool.ForRange(n, Grain, ref body);
        else
            pool.ForRange(x.Shape.Rows, Math.Max(1, Grain / channels), ref body);
    }

    private void BackwardOn(KernelDevice gpu, Tensor grad, int n, int channels, int rows)
    {
        if (_bias is not null && GradOf(_bias, out bool more) is { } db)
        {
            Tensor partials = ColumnSums.Partials(Tape, rows, channels, out int chunkRows);
            gpu.Launch(TMap.Kernels[MapKernels.Bias], gpu.Over(channels) with { Y = partials.Shape.Rows }, grad, _y, partials, channels, rows, chunkRows);
            ColumnSums.Finish(gpu, partials, db, more);
        }
        if (GradOf(_x, out more) is { } dx)
        {
            int quads = Quads.In(n, grad, _y, dx);
            gpu.Launch(TMap.Kernels[MapKernels.Input], gpu.Over(n - 3L * quads), grad, _y, dx, n, quads, more);
        }
    }

    // Ranges are of rows with a bias, of elements without.
    private struct ForwardBody : IParallelRange
    {
        public float* X, Bias, Y;
        public int Channels;

        public readonly void Run(int start, int end)
        {
            if (Bias is null)
                Row(X + start, Y + start, end - start);
            for (int row = start; Bias is not null && row < end; row++)
                Row(X + (long)row * Channels, Y + (long)row * Channels, Channels);
        }

        private readonly void Row(float* x, float* y, int n)
        {
            int i = 0;
            for (; Vector512.IsHardwareAccelerated && i <= n - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                Vector512<float> v = Vector512.Load(x + i);
                TMap.Of(Bias is null ? v : v + Vector512.Load(Bias + i)).Store(y + i);
            }
            for (; i <= n - Simd.Width; i += Simd.Width)
            {
                Vector<float> v = Vector.Load(x + i);
                TMap.Of(Bias is null ? v : v + Vector.Load(Bias + i)).Store(y + i);
            }
            for (; i < n; i++)
                y[i] = TMap.Of(new Vector<float>(Bias is null ? x[i] : x[i] + Bias[i]))[0];
        }
    }

    // dx = dy∘f′. Ranges are of a chunk's rows where dx is summed down the columns too, of elements where not.
    private struct BackwardBody : IParallelRange
    {
        public float* Dy, Y, Dx, Sums;
        public int Channels, ChunkRows;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            float* sums = ColumnSums.Chunk(Sums, start, ChunkRows, Channels);
            if (sums is null)
                Row(start, null, end - start);
            for (int row = start; sums is not null && row < end; row++)
                Row((long)row * Channels, sums, Channels);
        }

        private readonly void Row(long at, float* sums, int n)
        {
            float* dy = Dy + at, y = Y + at, dx = Dx + at;
            int i = 0;
            for (; i <= n - Simd.Width; i += Simd.Width)
            {
                Vector<float> d = Vector.Load(dy + i) * TMap.Slope(Vector.Load(y + i));
                if (sums is not null)
                    (Vector.Load(sums + i) + d).Store(sums + i);
                if (Dx is not null)
                    (Accumulate ? d + Vector.Load(dx + i) : d).Store(dx + i);
            }
            for (; i < n; i++)
            {
                float d = dy[i] * TMap.Slope(new Vector<float>(y[i]))[0];
                if (sums is not null)
                    sums[i] += d;
                if (Dx is not null)
                    dx[i] = Accumulate ? d + dx[i] : d;
            }
        }
    }
}
