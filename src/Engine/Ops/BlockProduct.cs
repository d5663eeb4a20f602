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
    /// u[t, b·r + i] = Σ_j x[t, b·r + j]·d[b, i, j]: every block of the input times the transpose of a matrix of its own, as RWKV's Bat needs it
    /// (spec/adapters.md §2.4). x: [N, B·r], d: [B, r, r] fp32; u: [N, B·r].
    /// </summary>
    public static Tensor BlockProduct(Tensor x, Tensor d)
    {
        Check.Activation("block_product", x, "x");
        Check.Type("block_product", d, "d", DType.F32);
        Check.True("block_product", d.Shape.Rank == 3 && d.Shape[1] == d.Shape[2], $"d is {d}, shape [B, r, r] is needed.");
        Check.LastDim("block_product", x, "x", checked(d.Shape[0] * d.Shape[1]));
        Tape tape = x.Tape!;
        Tensor u = tape.NewActivation(x.Shape);
        BlockProductNode.Forward(x, d, u);
        if (tape.Tracks(x, d))
        {
            var node = tape.Rent<BlockProductNode>();
            (node.X, node.D) = (d.NeedsGrad ? node.Save(x) : x, d);
            tape.Record(node, u);
        }
        return u;
    }
}

/// <summary>The block-diagonal product's reference, bodies and backward.</summary>
internal sealed unsafe class BlockProductNode : Node
{
    private static readonly Kernel TakeEach = Kernel.Of(typeof(BlockProductNode), nameof(TakeKernel)), PutEach = Kernel.Of(typeof(BlockProductNode), nameof(PutKernel));

    public Tensor X = null!, D = null!;

    public static NdArray Reference(NdArray x, NdArray d)
    {
        int r = d.Shape.Last;
        var u = new NdArray(x.Shape);
        for (int t = 0; t < x.Shape.Rows; t++)
            for (int o = 0; o < x.Shape.Last; o++)
                for (int j = 0; j < r; j++)
                    u[t, o] += x[t, o / r * r + j] * d[o, j];
        return u;
    }

    public static void Forward(Tensor x, Tensor d, Tensor u)
    {
        if (x.Device is CpuDevice cpu)
        {
            var body = new RowsBody { X = x.F32, D = d.F32, Y = u.F32, Rows = x.Shape.Rows, Width = x.Shape.Last, R = d.Shape.Last, Transposed = true, Pool = cpu.Pool };
            cpu.Pool.For(d.Shape[0], ref body);
            return;
        }
        Tape tape = u.Tape!;
        int scope = tape.Open();
        Multiply(tape, Take(tape, x, d), d, true, u, false);
        tape.Close(scope);
    }

    protected internal override void Backward(Tensor grad)
    {
        int rows = grad.Shape.Rows, width = grad.Shape.Last, r = D.Shape.Last;
        Tensor? dd = SumOf(D), dx = GradOf(X, out bool accumulate);
        if (grad.Device is CpuDevice cpu)
        {
            if (dd is not null)
            {
                var blocks = new BlocksBody { X = X.F32, Du = grad.F32, Dd = dd.F32, Rows = rows, Width = width, R = r, Pool = cpu.Pool };
                cpu.Pool.For(D.Shape[0], ref blocks);
            }
            if (dx is not null)
            {
                var body = new RowsBody { X = grad.F32, D = D.F32, Y = dx.F32, Rows = rows, Width = width, R = r, Accumulate = accumulate, Pool = cpu.Pool };
                cpu.Pool.For(D.Shape[0], ref body);
            }
            return;
        }
        Tensor du = Take(Tape, grad, D);
        if (dd is not null)
            MatMul.RunMany(D.Shape[0], du, true, (long)rows * r, Take(Tape, X, D), false, (long)rows * r, dd, r * r, r, r, rows, true);
        if (dx is not null)
            Multiply(Tape, du, D, false, dx, accumulate);
    }

    // Products on devices take matrices without gaps: each block's columns are copied together, [B, N, r].
    private static Tensor Take(Tape tape, Tensor x, Tensor d)
    {
        var gpu = (KernelDevice)x.Device;
        Tensor blocks = tape.New(new Shape(d.Shape[0], x.Shape.Rows, d.Shape.Last), x.DType);
        gpu.Launch(TakeEach, gpu.Over(x.Shape.Count), x, blocks, x.Shape.Rows, x.Shape.Last, d.Shape.Last);
        return blocks;
    }

    private static void Multiply(Tape tape, Tensor blocks, Tensor d, bool transposed, Tensor y, bool accumulate)
    {
        var gpu = (KernelDevice)y.Device;
        int rows = y.Shape.Rows, r = d.Shape.Last;
        Tensor products = tape.New(blocks.Shape, y.DType);
        MatMul.RunMany(d.Shape[0], blocks, false, (long)rows * r, d, transposed, r * r, products, (long)rows * r, rows, r, r, false);
        gpu.Launch(PutEach, gpu.Over(y.Shape.Count), products, y, rows, y.Shape.Last, r, accumulate);
    }

    [Kernel]
    private static void TakeKernel<T>(View<T> x, View<T> blocks, int rows, int width, int r) where T : unmanaged
    {
        int row = Gpu.Item / width, i = Gpu.Item % width;
        if (row < rows)
            blocks.At(((long)(i / r) * rows + row) * r).Store(i % r, x.At((long)row * width).Load(i));
    }

    [Kernel]
    private static void PutKernel<T>(View<T> blocks, View<T> y, int rows, int width, int r, bool accumulate) where T : unmanaged
    {
        int row = Gpu.Item / width, i = Gpu.Item % width;
        if (row < rows)
        {
            View<T> to = y.At((long)row * width);
            float value = blocks.At(((long)(i / r) * rows + row) * r).Load(i % r);
            to.Store(i, accumulate ? to.Load(i) + value : value);
        }
    }

    // Columns b·r … of y = the same columns of x times d[b], or its transpose.
    private struct RowsBody : IParallelBody
    {
        public float* X, D, Y;
        public int Rows, Width, R;
        public bool Transposed, Accumulate;
        public WorkerPool Pool;

        public readonly void Run(int b) => Gemm.RunSerial(Pool, Rows, R, R, 1f, new GemmOperand(X + (long)b * R, Width), new GemmOperand(D + (long)b * R * R, R, Transposed),
            Accumulate ? 1f : 0f, Y + (long)b * R, Width);
    }

    // dd[b] += duᵀ·x of the block's columns
    private struct BlocksBody : IParallelBody
    {
        public float* X, Du, Dd;
        public int Rows, Width, R;
        public WorkerPool Pool;

        public readonly void Run(int b) => Gemm.RunSerial(Pool, R, R, Rows, 1f, new GemmOperand(Du + (long)b * R, Width, true), new GemmOperand(X + (long)b * R, Width), 1f, Dd + (long)b * R * R, R);
    }
}
