using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// s[t, j] = Σ x[t, i] over all i with i mod r = j: Bone's sum of the input's r-wide blocks, the last of which may be partial
    /// (spec/adapters.md §2.1). x: [N, in] → [N, r].
    /// </summary>
    public static Tensor BlockSum(Tensor x, int r)
    {
        Check.Activation("block_sum", x, "x");
        Check.True("block_sum", r > 0, $"r is {r}, it must be positive.");
        Tape tape = x.Tape!;
        // The projections that read the same x (q, k and v; gate and up) share one sum and one backward.
        if (!tape.Tracks(x))
            return BlockSumNode.Shared(x, r);
        if (tape.Sums.Find(x, r, true) is { } shared)
            return shared;
        Tensor s = tape.NewActivation(new Shape(x.Shape.Rows, r));
        BlockSumNode.Forward(x, s, r);
        var node = tape.Rent<BlockSumNode>();
        node.X = x;
        tape.Record(node, s);
        tape.Sums.Remember(x, r, s, true);
        return s;
    }
}

/// <summary>The block sum's reference, bodies and backward.</summary>
internal sealed unsafe class BlockSumNode : Node
{
    private static readonly Kernel SumColumns = Kernel.Of(typeof(BlockSumNode), nameof(SumKernel)), TileEach = Kernel.Of(typeof(BlockSumNode), nameof(TileKernel));

    public Tensor X = null!;

    public static NdArray Reference(NdArray x, int r)
    {
        var s = new NdArray(new Shape(x.Shape.Rows, r));
        for (int t = 0; t < x.Shape.Rows; t++)
            for (int i = 0; i < x.Shape.Last; i++)
                s[t, i % r] += x[t, i];
        return s;
    }

    public static void Forward(Tensor x, Tensor s, int r)
    {
        if (x.Device is KernelDevice gpu)
        {
            Sum(gpu, x, s, false);
            return;
        }
        var body = new SumBody { X = x.F32, S = s.F32, In = x.Shape.Last, R = r };
        ((CpuDevice)x.Device).Pool.ForRange(x.Shape.Rows, Math.Max(1, 8192 / x.Shape.Last), ref body);
    }

    /// <summary>s = the sums of x's blocks of s's width, or s += them, on a device that runs kernels.</summary>
    public static void Sum(KernelDevice gpu, Tensor x, Tensor s, bool accumulate) =>
        gpu.Launch(SumColumns, gpu.Over(s.Shape.Count), x, s, s.Shape.Rows, x.Shape.Last, s.Shape.Last, accumulate);

    /// <summary>x = s side by side as often as x is wide, or x += that, on a device that runs kernels.</summary>
    public static void Tile(KernelDevice gpu, Tensor s, Tensor x, bool accumulate)
    {
        int rows = x.Shape.Rows, width = x.Shape.Last, r = s.Shape.Last, quads = r % 4 == 0 ? Quads.InRows(width, x, s) : 0, lanes = quads > 0 ? quads : width;
        gpu.Launch(TileEach, gpu.Over((long)rows * lanes), s, x, rows, width, r, lanes, quads > 0, accumulate);
    }

    /// <summary>The sum outside of the tape's record, for ops that pass its gradient to x themselves.</summary>
    public static Tensor Shared(Tensor x, int r)
    {
        Tape tape = x.Tape!;
        if (tape.Sums.Find(x, r, false) is { } shared)
            return shared;
        Tensor s = tape.NewActivation(new Shape(x.Shape.Rows, r));
        Forward(x, s, r);
        tape.Sums.Remember(x, r, s, false);
        return s;
    }

    protected internal override void Backward(Tensor grad)
    {
        if (GradOf(X, out bool accumulate) is not { } dx)
            return;
        if (dx.Device is KernelDevice gpu)
        {
            Tile(gpu, grad, dx, accumulate);
            return;
        }
        var body = new TileBody { Ds = grad.F32, Dx = dx.F32, In = X.Shape.Last, R = grad.Shape.Last, Accumulate = accumulate };
        ((CpuDevice)dx.Device).Pool.ForRange(X.Shape.Rows, Math.Max(1, 8192 / X.Shape.Last), ref body);
    }

    // A lane takes one column of one row's blocks.
    [Kernel]
    private static void SumKernel<TX, TS>(View<TX> xs, View<TS> s, int rows, int inputs, int r, bool accumulate) where TX : unmanaged where TS : unmanaged
    {
        int t = Gpu.Item / r, j = Gpu.Item % r;
        if (t < rows)
        {
            View<TX> x = xs.At((long)t * inputs);
            View<TS> to = s.At((long)t * r);
            float sum = accumulate ? to.Load(j) : 0f;
            for (int i = j; i < inputs; i += r)
                sum += x.Load(i);
            to.Store(j, sum);
        }
    }

    [Kernel]
    private static void TileKernel<TS, TX>(View<TS> s, View<TX> x, int rows, int width, int r, int lanesOfRow, bool wide, bool accumulate) where TS : unmanaged where TX : unmanaged
    {
        int t = Gpu.Item / lanesOfRow, i = Gpu.Item % lanesOfRow * (wide ? 4 : 1);
        if (t < rows)
        {
            View<TS> from = s.At((long)t * r);
            View<TX> to = x.At((long)t * width);
            if (wide)
            {
                Vector4 v = from.Load4(i % r);
                to.Store4(i, accumulate ? to.Load4(i) + v : v);
            }
            else
            {
                float v = from.Load(i % r);
                to.Store(i, accumulate ? to.Load(i) + v : v);
            }
        }
    }

    private struct SumBody : IParallelRange
    {
        public float* X, S;
        public int In, R;

        public readonly void Run(int start, int end)
        {
            for (int t = start; t < end; t++)
            {
                float* x = X + (long)t * In, s = S + (long)t * R;
                int j = 0;
                // A vector of columns at a time stays in a register over all whole blocks.
                for (; j <= R - Simd.Width; j += Simd.Width)
                {
                    Vector<float> sum = default;
                    int i = j;
                    for (; i <= In - Simd.Width; i += R)
                        sum += Vector.Load(x + i);
                    sum.Store(s + j);
                    for (int lane = 0; lane < Simd.Width && i + lane < In; lane++)
                        s[j + lane] += x[i + lane];
                }
                for (; j < R; j++)
                {
                    float sum = 0;
                    for (int i = j; i < In; i += R)
                        sum += x[i];
                    s[j] = sum;
                }
            }
        }
    }

    private struct TileBody : IParallelRange
    {
        public float* Ds, Dx;
        public int In, R;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            for (int t = start; t < end; t++)
            {
                float* ds = Ds + (long)t * R, dx = Dx + (long)t * In;
                for (int i = 0; i < In; i += R)
                {
                    int n = Math.Min(R, In - i);
                    if (Accumulate)
                        Simd.Add(dx + i, ds, n);
                    else
                        Buffer.MemoryCopy(ds, dx + i, n * sizeof(float), n * sizeof(float));
                }
            }
        }
    }
}
