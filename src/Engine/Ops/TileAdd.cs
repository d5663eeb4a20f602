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
    /// y[t, o] + p[t, o mod m], computed into y's own buffer: MiSS mini's tiling of its small product over the outputs
    /// (spec/adapters.md §2.2). y: [N, out], p: [N, m], m divides out. y must not be used afterwards.
    /// </summary>
    public static Tensor TileAdd(Tensor y, Tensor p)
    {
        Check.Activation("tile_add", y, "y");
        Check.Activation("tile_add", p, "p");
        Check.True("tile_add", y.Shape.Rows == p.Shape.Rows && y.Shape.Last % p.Shape.Last == 0, $"p ({p}) must have y's rows and a width that divides y's ({y}).");
        Check.True("tile_add", y.Holds == 1, "y is kept by another op's backward and cannot be written in place.");
        Tape tape = y.Tape!;
        TileAddNode.Forward(y, p);
        Tensor result = tape.Alias(y);
        if (tape.Tracks(y, p))
        {
            var node = tape.Rent<TileAddNode>();
            (node.Y, node.P) = (y, p);
            tape.Record(node, result);
        }
        return result;
    }
}

/// <summary>The tiled addition's reference, bodies and backward.</summary>
internal sealed unsafe class TileAddNode : Node
{
    public Tensor Y = null!, P = null!;

    public static NdArray Reference(NdArray y, NdArray p)
    {
        var result = new NdArray(y.Shape, [.. y.Values]);
        for (int t = 0; t < y.Shape.Rows; t++)
            for (int o = 0; o < y.Shape.Last; o++)
                result[t, o] += p[t, o % p.Shape.Last];
        return result;
    }

    public static void Forward(Tensor y, Tensor p)
    {
        if (y.Device is KernelDevice gpu)
        {
            BlockSumNode.Tile(gpu, p, y, true);
            return;
        }
        var body = new AddBody { Y = y.F32, P = p.F32, Out = y.Shape.Last, M = p.Shape.Last };
        ((CpuDevice)y.Device).Pool.ForRange(y.Shape.Rows, Math.Max(1, 8192 / y.Shape.Last), ref body);
    }

    protected internal override void Backward(Tensor grad)
    {
        if (grad.Device is KernelDevice gpu)
        {
            if (GradOf(P, out bool accumulate) is { } sums)
                BlockSumNode.Sum(gpu, grad, sums, accumulate);
        }
        else if (SumOf(P) is { } dp)
        {
            var body = new FoldBody { Dy = grad.F32, Dp = dp.F32, Out = grad.Shape.Last, M = dp.Shape.Last };
            ((CpuDevice)dp.Device).Pool.ForRange(dp.Shape.Rows, Math.Max(1, 8192 / grad.Shape.Last), ref body);
        }
        PassGrad(Y, grad);
    }

    private struct AddBody : IParallelRange
    {
        public float* Y, P;
        public int Out, M;

        public readonly void Run(int start, int end)
        {
            for (int t = start; t < end; t++)
                for (int o = 0; o < Out; o += M)
                    Simd.Add(Y + (long)t * Out + o, P + (long)t * M, M);
        }
    }

    private struct FoldBody : IParallelRange
    {
        public float* Dy, Dp;
        public int Out, M;

        public readonly void Run(int start, int end)
        {
            for (int t = start; t < end; t++)
                for (int o = 0; o < Out; o += M)
                    Simd.Add(Dp + (long)t * M, Dy + (long)t * Out + o, M);
        }
    }
}
