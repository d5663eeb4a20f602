using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// y = x·W'ᵀ + b with W'[o, i] = W[o, i] + D[i mod r, o] (Bone, MiSS balance; spec/adapters.md §2.1).
    /// x: [N, in], w: [out, in] frozen (fp32 or bf16), d: [r, out]; any r. Two ways, equal up to rounding: few rows add (Σ blocks of x)·D to
    /// x·Wᵀ; many rows multiply by W', which costs in·out additions instead of N·r·out multiplications, once forward and once backward.
    /// </summary>
    public static Tensor BoneLinear(Tensor x, Tensor w, Tensor d, Tensor? b = null)
    {
        int outputs = w.Shape.Rows, inputs = w.Shape.Last, r = d.Shape.Rows;
        Check.LastDim("bone_linear", x, "x", inputs);
        Check.Type("bone_linear", d, "d", DType.F32);
        Check.Is("bone_linear", d, "d", new Shape(r, outputs));
        if (w.NeedsGrad || b is { NeedsGrad: true } || (long)x.Shape.Rows * r < BoneLinearNode.RowsPerInput * (long)inputs)
            return AddMatMul(Linear(x, w, b), BlockSum(x, r), d, transposed: false);
        Tape tape = x.Tape!;
        Tensor y = tape.New(new Shape(x.Shape.Rows, outputs));
        int scope = tape.Open();
        MatMul.Run(x, false, BoneLinearNode.Weight(tape, w, d), true, y);
        tape.Close(scope);
        if (b is not null)
            LinearNode.AddBias(y, b);
        if (tape.Tracks(x, d))
        {
            var node = tape.Rent<BoneLinearNode>();
            (node.X, node.W, node.D) = (x, w, d);
            node.Sum = d.NeedsGrad ? node.Save(BlockSumNode.Shared(x, r)) : null;
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The reference, CPU body and backward of the linear layer with a shared block added to every shard.</summary>
internal sealed unsafe class BoneLinearNode : Node
{
    /// <summary>From N·r = RowsPerInput·in on, making W' is the cheaper way.</summary>
    public const int RowsPerInput = 32;

    public Tensor X = null!, W = null!, D = null!;
    public Tensor? Sum;

    public static NdArray Reference(NdArray x, NdArray w, NdArray d, NdArray? b) => LinearNode.Reference(x, ReferenceWeight(w, d), b);

    public static NdArray ReferenceWeight(NdArray w, NdArray d)
    {
        var adapted = new NdArray(w.Shape);
        for (int o = 0; o < w.Shape.Rows; o++)
            for (int i = 0; i < w.Shape.Last; i++)
                adapted[o, i] = w[o, i] + d[i % d.Shape.Rows, o];
        return adapted;
    }

    /// <summary>W' as an activation, fp32 [out, in].</summary>
    public static Tensor Weight(Tape tape, Tensor w, Tensor d)
    {
        Tensor adapted = tape.New(w.Shape);
        WorkerPool pool = ((CpuDevice)w.Device).Pool;
        var body = new WeightBody { W = w, D = d.F32, Adapted = adapted.F32, R = d.Shape.Rows, Pool = pool };
        pool.ForRange(w.Shape.Rows, 64, ref body);
        return adapted;
    }

    // dD = Sᵀ·dy with S the block sums of x; dx = dy·W'
    protected internal override void Backward(Tensor grad)
    {
        if (Sum is not null && GradOf(D, out bool more) is { } dd)
            MatMul.Run(Sum, true, grad, false, dd, accumulate: more);
        if (GradOf(X, out bool accumulate) is { } dx)
            MatMul.Run(grad, false, Weight(Tape, W, D), false, dx, accumulate: accumulate);
    }

    private struct WeightBody : IParallelRange
    {
        public Tensor W;
        public float* D, Adapted;
        public int R;
        public WorkerPool Pool;

        public readonly void Run(int start, int end)
        {
            int inputs = W.Shape.Last, outputs = W.Shape.Rows;
            using ScratchSet.Lease lease = Pool.Scratch.Rent((nuint)((end - start) * R) * sizeof(float));
            float* columns = (float*)lease.Data;
            Simd.Transpose(D + start, outputs, R, end - start, columns, R);
            for (int o = start; o < end; o++)
            {
                float* to = Adapted + (long)o * inputs, column = columns + (long)(o - start) * R;
                if (W.DType == DType.BF16)
                    BFloat16.Widen(new ReadOnlySpan<BFloat16>(W.BF16 + (long)o * inputs, inputs), new Span<float>(to, inputs));
                float* from = W.DType == DType.BF16 ? to : W.F32 + (long)o * inputs;
                for (int i = 0; i < inputs; i += R)
                    Simd.Sum(to + i, from + i, column, Math.Min(R, inputs - i));
            }
        }
    }
}
