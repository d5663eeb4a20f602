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
    /// y = x·W'ᵀ + b with W'[o, i] = W[o, i] + D[i mod r, o] (Bone, MiSS balance; spec/adapters.md §2.1).
    /// x: [N, in], w: [out, in] frozen (fp32, bf16 or quantised blocks), d: [r, out] fp32; any r. Two ways, equal up to rounding: few rows add (Σ blocks of x)·D to
    /// x·Wᵀ; many rows multiply by W', which costs in·out additions instead of N·r·out multiplications, once forward and once backward.
    /// </summary>
    public static Tensor BoneLinear(Tensor x, Tensor w, Tensor d, Tensor? b = null)
    {
        int outputs = w.Shape.Rows, inputs = w.Shape.Last, r = d.Shape.Rows;
        Check.Activation("bone_linear", x, "x");
        Check.LastDim("bone_linear", x, "x", inputs);
        Check.Matrix("bone_linear", w, "w");
        Check.Type("bone_linear", d, "d", DType.F32);
        Check.Is("bone_linear", d, "d", new Shape(r, outputs));
        if (w.NeedsGrad || b is { NeedsGrad: true } || !BoneLinearNode.WeightPays(x, x.Shape.Rows, r, inputs))
            return AddMatMul(Linear(x, w, b), BlockSum(x, r), d, transposed: false);
        Tape tape = x.Tape!;
        Tensor y = tape.NewActivation(new Shape(x.Shape.Rows, outputs));
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

/// <summary>The reference, bodies and backward of the linear layer with a shared block added to every shard.</summary>
internal sealed unsafe class BoneLinearNode : Node
{
    // From N·r = 32·in on processors, and from N = 2·in on GPUs, where moving W' costs more than its products save.
    private const int RanksPerInput = 32, RowsPerInput = 2;

    // Of W' that a group makes at once: outputs, and columns of each shard.
    private const int SlabRows = 32, SlabColumns = 64, MostShardParts = 8;

    private static readonly Kernel WeightSlabs = Kernel.Of(typeof(BoneLinearNode), nameof(WeightKernel));

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

    /// <summary>Whether making W' is the cheaper way; never in bf16, where W' would lose the small values of D beside W.</summary>
    public static bool WeightPays(Tensor x, int rows, int r, int inputs) =>
        x.DType == DType.F32 && (x.Device is KernelDevice { Capabilities.IsCpu: false } ? rows >= RowsPerInput * (long)inputs : (long)rows * r >= RanksPerInput * (long)inputs);

    /// <summary>W' as an activation, [out, in].</summary>
    public static Tensor Weight(Tape tape, Tensor w, Tensor d)
    {
        Tensor adapted = tape.NewActivation(w.Shape);
        if (w.Device is KernelDevice gpu)
        {
            int r = d.Shape.Rows, inputs = w.Shape.Last, shards = (inputs + r - 1) / r, parts = gpu.Capabilities.IsCpu ? 1 : Math.Min(shards, MostShardParts);
            var grid = new Grid(Math.Min(gpu.Capabilities.IsCpu ? 64 : 256, gpu.Capabilities.MaxLanes), (w.Shape.Rows + SlabRows - 1) / SlabRows, (r + SlabColumns - 1) / SlabColumns, parts);
            gpu.Launch(WeightSlabs, grid, w, d, adapted, w.Shape.Rows, inputs, r, (shards + parts - 1) / parts, r % 4 == 0 && Quads.InRows(inputs, w, adapted) > 0);
            return adapted;
        }
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

    // A group adds a slab of D, turned in shared memory, to some of the shards of its outputs.
    [Kernel(Lanes = 256)]
    private static void WeightKernel<TW, TY>(View<TW> w, View<float> d, View<TY> adapted, int outputs, int inputs, int r, int shardsOfPart, bool wide) where TW : unmanaged where TY : unmanaged
    {
        Shared<float> slab = Gpu.Shared<float>(SlabRows * (SlabColumns + 1));
        int o0 = Gpu.Group * SlabRows, j0 = Gpu.GroupY * SlabColumns, columns = Math.Min(SlabColumns, r - j0);
        for (int e = Gpu.Lane; e < SlabRows * SlabColumns; e += Gpu.Lanes)
        {
            int o = e % SlabRows, j = e / SlabRows;
            slab[o * (SlabColumns + 1) + j] = o0 + o < outputs && j < columns ? d.At((long)(j0 + j) * outputs)[o0 + o] : 0f;
        }
        Gpu.Barrier();
        int first = Gpu.GroupZ * shardsOfPart;
        for (int shard = first; shard < first + shardsOfPart; shard++)
        {
            int i0 = shard * r + j0;
            if (wide)
            {
                for (int e = Gpu.Lane; e < SlabRows * (SlabColumns / 4); e += Gpu.Lanes)
                {
                    int o = e / (SlabColumns / 4), j = e % (SlabColumns / 4) * 4, at = o * (SlabColumns + 1) + j;
                    if (o0 + o < outputs && j < columns && i0 + j < inputs)
                    {
                        long row = (long)(o0 + o) * inputs;
                        adapted.At(row).Store4(i0 + j, w.At(row).Load4(i0 + j) + new Vector4(slab[at], slab[at + 1], slab[at + 2], slab[at + 3]));
                    }
                }
            }
            else
            {
                for (int e = Gpu.Lane; e < SlabRows * SlabColumns; e += Gpu.Lanes)
                {
                    int o = e / SlabColumns, j = e % SlabColumns;
                    if (o0 + o < outputs && j < columns && i0 + j < inputs)
                    {
                        long row = (long)(o0 + o) * inputs;
                        adapted.At(row).Store(i0 + j, w.At(row).Load(i0 + j) + slab[o * (SlabColumns + 1) + j]);
                    }
                }
            }
        }
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
                bool plain = W.DType == DType.F32;
                if (!plain)
                    W.Widen((long)o * inputs, inputs, to);
                float* from = plain ? W.F32 + (long)o * inputs : to;
                for (int i = 0; i < inputs; i += R)
                    Simd.Sum(to + i, from + i, column, Math.Min(R, inputs - i));
            }
        }
    }
}
