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
    /// y = x·W'ᵀ + b with W' made of r×r blocks W'[a,c] = W[a,c]·(I + D[a]) + D[a], a the block of outputs (spec/adapters.md §2.3).
    /// x: [N, in], w: [out, in] frozen (fp32, bf16 or quantised blocks), d: [out/r, r, r] fp32; r divides in and out. W' is made anew in backward, not kept.
    /// </summary>
    public static Tensor BatLinear(Tensor x, Tensor w, Tensor d, Tensor? b = null)
    {
        int outputs = w.Shape.Rows, inputs = w.Shape.Last, r = d.Shape.Last;
        Check.Activation("bat_linear", x, "x");
        Check.Matrix("bat_linear", w, "w");
        Check.Type("bat_linear", d, "d", DType.F32);
        Check.LastDim("bat_linear", x, "x", inputs);
        Check.True("bat_linear", !w.NeedsGrad && b is not { NeedsGrad: true }, "w and b must be frozen.");
        Check.True("bat_linear", inputs % r == 0 && outputs % r == 0, $"w ({w}) must divide into [{r},{r}] blocks.");
        Check.Is("bat_linear", d, "d", new Shape(outputs / r, r, r));
        Tape tape = x.Tape!;
        Tensor y = tape.NewActivation(new Shape(x.Shape.Rows, outputs));
        int scope = tape.Open();
        MatMul.Run(x, false, BatLinearNode.Weight(tape, w, d), true, y);
        tape.Close(scope);
        if (b is not null)
            LinearNode.AddBias(y, b);
        if (tape.Tracks(x, d))
        {
            var node = tape.Rent<BatLinearNode>();
            (node.X, node.W, node.D) = (d.NeedsGrad ? node.Save(x) : x, w, d);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The reference, bodies and backward of the linear layer with block-affine weight.</summary>
internal sealed unsafe class BatLinearNode : Node
{
    private static readonly Kernel WeightEach = Kernel.Of(typeof(BatLinearNode), nameof(WeightKernel));

    public Tensor X = null!, W = null!, D = null!;

    public static NdArray Reference(NdArray x, NdArray w, NdArray d, NdArray? b) => LinearNode.Reference(x, ReferenceWeight(w, d), b);

    public static NdArray ReferenceWeight(NdArray w, NdArray d)
    {
        int r = d.Shape.Last;
        var adapted = new NdArray(w.Shape);
        for (int o = 0; o < w.Shape.Rows; o++)
        {
            for (int i = 0; i < w.Shape.Last; i++)
            {
                int block = o / r * r, column = i % r;
                double sum = w[o, i] + d[block + o % r, column];
                for (int k = 0; k < r; k++)
                    sum += w[o, i - column + k] * d[block + k, column];
                adapted[o, i] = sum;
            }
        }
        return adapted;
    }

    /// <summary>W' as an activation, [out, in].</summary>
    public static Tensor Weight(Tape tape, Tensor w, Tensor d)
    {
        Tensor adapted = tape.NewActivation(w.Shape);
        if (w.Device is KernelDevice gpu)
        {
            int inputs = w.Shape.Last, r = d.Shape.Last, quads = r % 4 == 0 ? Quads.InRows(inputs, w, d, adapted) : 0, lanes = quads > 0 ? quads : inputs;
            gpu.Launch(WeightEach, new Grid(gpu.LanesFor(lanes), w.Shape.Rows), w, d, adapted, inputs, r, quads);
            // r rows of W are [in, r] when read block by block.
            MatMul.RunMany(d.Shape[0], Plain(tape, w, adapted.DType), false, (long)r * inputs, d, false, r * r, adapted, (long)r * inputs, inputs, r, r, true);
            return adapted;
        }
        WorkerPool pool = ((CpuDevice)w.Device).Pool;
        var body = new WeightBody { W = w, D = d.F32, Adapted = adapted.F32, R = d.Shape.Last, Pool = pool };
        pool.For(d.Shape[0], ref body);
        return adapted;
    }

    protected internal override void Backward(Tensor grad)
    {
        if (SumOf(D) is { } dd)
        {
            Tensor g = Tape.New(W.Shape);
            MatMul.Run(grad, true, X, false, g);
            if (g.Device is KernelDevice gpu)
            {
                int inputs = W.Shape.Last, r = D.Shape.Last;
                MatMul.RunMany(D.Shape[0], Plain(Tape, W, grad.DType), true, (long)r * inputs, g, false, (long)r * inputs, dd, r * r, r, r, inputs, true);
                BlockSumNode.Sum(gpu, g, dd, true);
            }
            else
            {
                AddBlocks(g, dd);
            }
        }
        if (GradOf(X, out bool accumulate) is { } dx)
            MatMul.Run(grad, false, Weight(Tape, W, D), false, dx, accumulate: accumulate);
    }

    // Rows of r elements begin within a row of quantised blocks.
    private static Tensor Plain(Tape tape, Tensor w, DType type)
    {
        if (!w.DType.IsBlock())
            return w;
        Tensor plain = tape.New(w.Shape, type);
        Ops.CastInto(plain, w);
        return plain;
    }

    private void AddBlocks(Tensor g, Tensor dd)
    {
        WorkerPool pool = ((CpuDevice)W.Device).Pool;
        var body = new BlockBody { W = W, G = g.F32, Dd = dd.F32, R = D.Shape.Last, Pool = pool };
        pool.For(D.Shape[0], ref body);
    }

    // W + D's rows side by side, a group for each row.
    [Kernel]
    private static void WeightKernel<TW, TY>(View<TW> ws, View<float> ds, View<TY> ys, int inputs, int r, int quads) where TW : unmanaged where TY : unmanaged
    {
        View<TW> w = ws.At((long)Gpu.Group * inputs);
        View<float> d = ds.At((long)Gpu.Group * r);
        View<TY> y = ys.At((long)Gpu.Group * inputs);
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            y.Store4(4 * q, w.Load4(4 * q) + d.Load4(4 * q % r));
        for (int i = 4 * quads + Gpu.Lane; i < inputs; i += Gpu.Lanes)
            y.Store(i, w.Load(i) + d[i % r]);
    }

    // r rows of W are [in, r] when read block by block, so a whole block row is one product with D[a].
    private struct WeightBody : IParallelBody
    {
        public Tensor W;
        public float* D, Adapted;
        public int R;
        public WorkerPool Pool;

        public readonly void Run(int a)
        {
            int inputs = W.Shape.Last;
            long at = (long)a * R * inputs;
            float* d = D + (long)a * R * R, slab = Adapted + at;
            bool blocks = W.DType.IsBlock();
            using ScratchSet.Lease decoded = Pool.Scratch.Rent(blocks ? (nuint)R * (nuint)inputs * sizeof(float) : 0);
            W.Widen(at, R * inputs, slab);
            if (blocks)
                Buffer.MemoryCopy(slab, decoded.Data, (long)R * inputs * sizeof(float), (long)R * inputs * sizeof(float));
            for (int i = 0; i < R; i++)
                for (int c = 0; c < inputs; c += R)
                    Simd.Add(slab + (long)i * inputs + c, d + (long)i * R, R);
            Gemm.RunSerial(Pool, inputs, R, R, 1f, blocks ? new GemmOperand((float*)decoded.Data, R) : MatMul.Operand(W, at, R), new GemmOperand(d, R), 1f, slab, R);
        }
    }

    // dD[a] += Σ_c (W[a,c] + I)ᵀ·G[a,c], G = dyᵀ·x
    private struct BlockBody : IParallelBody
    {
        public Tensor W;
        public float* G, Dd;
        public int R;
        public WorkerPool Pool;

        public readonly void Run(int a)
        {
            int inputs = W.Shape.Last;
            long at = (long)a * R * inputs;
            float* dd = Dd + (long)a * R * R, g = G + at;
            bool blocks = W.DType.IsBlock();
            using ScratchSet.Lease decoded = Pool.Scratch.Rent(blocks ? (nuint)R * (nuint)inputs * sizeof(float) : 0);
            if (blocks)
                W.Widen(at, R * inputs, (float*)decoded.Data);
            Gemm.RunSerial(Pool, R, R, inputs, 1f, blocks ? new GemmOperand((float*)decoded.Data, R, true) : MatMul.Operand(W, at, R, true), new GemmOperand(g, R), 1f, dd, R);
            for (int i = 0; i < R; i++)
                for (int c = 0; c < inputs; c += R)
                    Simd.Add(dd + (long)i * R, g + (long)i * inputs + c, R);
        }
    }
}
