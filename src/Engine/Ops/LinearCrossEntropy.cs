using System.Numerics;
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
    /// <summary>
    /// scale · Σ cross-entropy of softmax(x·wᵀ) at targets, rows with target −100 left out; also every row's own loss (0 where left out).
    /// Where <paramref name="cap"/> is not 0, logits z become cap·tanh(z / cap) first.
    /// x: [N, C], w: [V, C] fp32, or frozen in bf16 or quantised blocks, targets: [N] i32, already shifted. Logits exist for one chunk of counted rows at a
    /// time, and the gradients are computed with them (spec/architectures.md §1.2); the result's gradient must therefore be 1.
    /// </summary>
    public static Tensor LinearCrossEntropy(Tensor x, Tensor w, Tensor targets, float scale, out Tensor rowLoss, float cap = 0f)
    {
        Check.Activation("linear_cross_entropy", x, "x");
        Check.Matrix("linear_cross_entropy", w, "w");
        Check.LastDim("linear_cross_entropy", x, "x", w.Shape.Last);
        Check.Is("linear_cross_entropy", targets, "targets", new Shape(x.Shape.Rows));
        Check.True("linear_cross_entropy", cap >= 0, $"the soft cap is {cap}, it must be above 0, or 0 for none.");
        Tape tape = x.Tape!;
        Tensor loss = tape.New(new Shape(1));
        rowLoss = tape.Zeros(new Shape(x.Shape.Rows));
        bool tracks = tape.Tracks(x, w);
        Tensor? dx = tracks && x.NeedsGrad ? tape.Zeros(x.Shape, x.DType) : null;
        Tensor? dw = tracks ? tape.SumOf(w) : null;
        int scope = tape.Open();
        if (x.Device is KernelDevice gpu)
            LinearCrossEntropyNode.ForwardOn(gpu, x, w, targets, scale, cap, loss, rowLoss, dx, dw);
        else
            LinearCrossEntropyNode.Forward(x, w, targets, scale, cap, loss, rowLoss, dx, dw);
        tape.Close(scope);
        if (tracks)
        {
            var node = tape.Rent<LinearCrossEntropyNode>();
            (node.X, node.Dx) = (x, dx is null ? null : node.Save(dx));
            tape.Record(node, loss);
        }
        return loss;
    }
}

/// <summary>The reference, bodies and (already computed) backward of the fused head and loss.</summary>
internal sealed unsafe class LinearCrossEntropyNode : Node
{
    // Logits of one chunk: enough rows for an efficient product, at most 64 MiB.
    private const int ChunkElements = 1 << 24, ChunkRows = 512;

    private static readonly Kernel LossRows = Kernel.Of(typeof(LinearCrossEntropyNode), nameof(RowKernel)),
        PutRows = Kernel.Of(typeof(LinearCrossEntropyNode), nameof(PutKernel)), SumLosses = Kernel.Of(typeof(LinearCrossEntropyNode), nameof(SumKernel));

    public Tensor X = null!;
    public Tensor? Dx;

    public static NdArray Reference(NdArray x, NdArray w, int[] targets, double scale, double cap = 0)
    {
        NdArray z = x.TimesTransposed(w);
        if (cap > 0)
            z = SoftCapNode.Reference(z, cap);
        double sum = 0;
        for (int t = 0; t < targets.Length; t++)
        {
            if (targets[t] == TokenExample.Ignore)
                continue;
            double max = double.NegativeInfinity, total = 0;
            for (int v = 0; v < z.Shape.Last; v++)
                max = Math.Max(max, z[t, v]);
            for (int v = 0; v < z.Shape.Last; v++)
                total += Math.Exp(z[t, v] - max);
            sum += max + Math.Log(total) - z[t, targets[t]];
        }
        return new NdArray(new Shape(1), [sum * scale]);
    }

    /// <summary>Rows whose logits exist at a time.</summary>
    public static int ChunkFor(int rows, int vocabulary) => Math.Min(rows, Math.Clamp(ChunkElements / vocabulary, 64, ChunkRows));

    public static void Forward(Tensor x, Tensor w, Tensor targets, float scale, float cap, Tensor loss, Tensor rowLoss, Tensor? dx, Tensor? dw)
    {
        int n = x.Shape.Rows, c = x.Shape.Last, v = w.Shape.Rows;
        Tape tape = x.Tape!;
        int capacity = ChunkFor(n, v);
        Tensor rows = tape.New(new Shape(capacity), DType.I32);
        double sum = 0;
        for (int next = 0; next < n;)
        {
            // Only rows that count are worth a product with the whole vocabulary.
            int count = 0;
            for (; next < n && count < capacity; next++)
            {
                if (targets.I32[next] == TokenExample.Ignore)
                    continue;
                CheckTarget(targets.I32[next], next, v);
                rows.I32[count++] = next;
            }
            if (count == 0)
                break;
            int scope = tape.Open();
            Tensor xc = tape.New(new Shape(count, c)), z = tape.New(new Shape(count, v));
            for (int i = 0; i < count; i++)
                new ReadOnlySpan<float>(x.F32 + (long)rows.I32[i] * c, c).CopyTo(new Span<float>(xc.F32 + (long)i * c, c));
            MatMul.Run(xc, false, w, true, z);
            var body = new RowBody
            {
                Z = z.F32, Rows = rows.I32, Targets = targets.I32, Loss = rowLoss.F32, V = v, Scale = scale, Cap = cap,
                WithGradient = dx is not null || dw is not null, Scratch = ((CpuDevice)x.Device).Pool.Scratch,
            };
            ((CpuDevice)x.Device).Pool.ForRange(count, 1, ref body);
            for (int i = 0; i < count; i++)
                sum += rowLoss.F32[rows.I32[i]];
            if (dw is not null)
                MatMul.Run(z, true, xc, false, dw, accumulate: true);
            if (dx is not null)
            {
                MatMul.Run(z, false, w, false, xc);
                for (int i = 0; i < count; i++)
                    new ReadOnlySpan<float>(xc.F32 + (long)i * c, c).CopyTo(new Span<float>(dx.F32 + (long)rows.I32[i] * c, c));
            }
            tape.Close(scope);
        }
        *loss.F32 = (float)(sum * scale);
    }

    /// <summary>The same on a device that runs kernels. Rows are chosen on the host; logits are fp32 always, since losses are small differences of them, and their gradient has x's type.</summary>
    public static void ForwardOn(KernelDevice gpu, Tensor x, Tensor w, Tensor targets, float scale, float cap, Tensor loss, Tensor rowLoss, Tensor? dx, Tensor? dw)
    {
        int n = x.Shape.Rows, c = x.Shape.Last, v = w.Shape.Rows, counted = 0;
        Tape tape = x.Tape!;
        ReadOnlySpan<int> ids = targets.OnHost;
        Span<int> list = tape.HostList(n);
        for (int t = 0; t < n; t++)
        {
            if (ids[t] == TokenExample.Ignore)
                continue;
            CheckTarget(ids[t], t, v);
            list[counted++] = t;
        }
        Tensor? rows = counted == 0 ? null : tape.Upload(list[..counted]);
        bool withGradient = dx is not null || dw is not null;
        int capacity = ChunkFor(n, v);
        for (int first = 0; first < counted; first += capacity)
        {
            int count = Math.Min(capacity, counted - first), scope = tape.Open();
            Tensor xc = tape.New(new Shape(count, c), x.DType), z = tape.New(new Shape(count, v));
            EmbeddingNode.Gather(gpu, x, rows!, first, xc);
            MatMul.Run(xc, false, w, true, z);
            Tensor dz = withGradient && x.DType != DType.F32 ? tape.New(z.Shape, x.DType) : z;
            gpu.Launch(LossRows, new Grid(gpu.LanesFor(v, 512), count), z, dz, Arg.At(rows!, first), targets, rowLoss, v, Quads.InRows(v, z, dz), scale, cap, withGradient, cap > 0 ? 1 : 0);
            if (dw is not null)
                MatMul.Run(dz, true, xc, false, dw, accumulate: true);
            if (dx is not null)
            {
                MatMul.Run(dz, false, w, false, xc);
                int quads = Quads.InRows(c, xc, dx), lanes = quads > 0 ? quads : c;
                gpu.Launch(PutRows, gpu.Over((long)count * lanes), xc, Arg.At(rows!, first), dx, count, c, lanes, quads > 0);
            }
            tape.Close(scope);
        }
        gpu.Launch(SumLosses, new Grid(gpu.LanesFor(n), 1), rowLoss, loss, n, scale);
    }

    protected internal override void Backward(Tensor grad)
    {
        // Looking at it would make the host wait for a device.
        if (grad.Device is CpuDevice && *grad.F32 != 1f)
            throw new InvalidOperationException("The loss's own gradient must be 1: put factors into its scale.");
        if (Dx is not null)
            PassGrad(X, Dx);
    }

    private static void CheckTarget(int id, int t, int vocabulary)
    {
        if ((uint)id >= (uint)vocabulary)
            throw new MarrowException("E105", $"loss: target id {id} at position {t} is outside the vocabulary of {vocabulary}. [E105]");
    }

    // A group takes one row of logits z: its loss, and dz (z itself or a narrower copy) becomes scale·(softmax(z) − onehot).
    [Kernel]
    private static void RowKernel<T>(View<float> zs, View<T> dzs, View<int> rows, View<int> targets, View<float> loss, int v, int quads, float scale, float cap, bool withGradient, [Const(1)] int capped) where T : unmanaged
    {
        View<float> z = zs.At((long)Gpu.Group * v);
        View<T> dz = dzs.At((long)Gpu.Group * v);
        int row = rows[Gpu.Group], target = targets[row];
        float atTarget = At(z, target, cap, capped), max = float.MinValue, sum = 0;
        // One pass: where a larger value comes, what is summed so far shrinks.
        for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
        {
            Vector4 a = At4(z, q, cap, capped);
            float higher = MathF.Max(MathF.Max(a.X, a.Y), MathF.Max(a.Z, a.W));
            if (higher > max)
            {
                sum *= MathF.Exp(max - higher);
                max = higher;
            }
            sum += MathF.Exp(a.X - max) + MathF.Exp(a.Y - max) + (MathF.Exp(a.Z - max) + MathF.Exp(a.W - max));
        }
        for (int i = 4 * quads + Gpu.Lane; i < v; i += Gpu.Lanes)
        {
            float a = At(z, i, cap, capped);
            if (a > max)
            {
                sum *= MathF.Exp(max - a);
                max = a;
            }
            sum += MathF.Exp(a - max);
        }
        float highest = Gpu.GroupMax(max);
        float total = Gpu.GroupSum(sum * MathF.Exp(max - highest));
        if (Gpu.Lane == 0)
            loss[row] = MathF.Log(total) + highest - atTarget;
        if (withGradient)
        {
            float factor = scale / total;
            for (int q = Gpu.Lane; q < quads; q += Gpu.Lanes)
            {
                Vector4 a = At4(z, q, cap, capped);
                int i = 4 * q;
                Vector4 d = new(
                    MathF.Exp(a.X - highest) * factor - (i == target ? scale : 0f), MathF.Exp(a.Y - highest) * factor - (i + 1 == target ? scale : 0f),
                    MathF.Exp(a.Z - highest) * factor - (i + 2 == target ? scale : 0f), MathF.Exp(a.W - highest) * factor - (i + 3 == target ? scale : 0f));
                if (capped != 0)
                    d *= new Vector4(SoftCapNode.Slope(a.X, cap), SoftCapNode.Slope(a.Y, cap), SoftCapNode.Slope(a.Z, cap), SoftCapNode.Slope(a.W, cap));
                dz.Store4(i, d);
            }
            for (int i = 4 * quads + Gpu.Lane; i < v; i += Gpu.Lanes)
            {
                float a = At(z, i, cap, capped), d = MathF.Exp(a - highest) * factor - (i == target ? scale : 0f);
                dz.Store(i, capped != 0 ? d * SoftCapNode.Slope(a, cap) : d);
            }
        }
    }

    private static float At(View<float> z, int i, float cap, [Const(1)] int capped) => capped != 0 ? SoftCapNode.Capped(z[i], cap) : z[i];

    private static Vector4 At4(View<float> z, int q, float cap, [Const(1)] int capped)
    {
        Vector4 a = z.Load4(4 * q);
        if (capped != 0)
            a = new Vector4(SoftCapNode.Capped(a.X, cap), SoftCapNode.Capped(a.Y, cap), SoftCapNode.Capped(a.Z, cap), SoftCapNode.Capped(a.W, cap));
        return a;
    }

    [Kernel]
    private static void PutKernel<TFrom, TTo>(View<TFrom> from, View<int> rows, View<TTo> to, int count, int width, int lanesOfRow, bool wide) where TFrom : unmanaged where TTo : unmanaged
    {
        int t = Gpu.Item / lanesOfRow, i = Gpu.Item % lanesOfRow;
        if (t < count)
        {
            View<TFrom> source = from.At((long)t * width);
            View<TTo> target = to.At((long)rows[t] * width);
            if (wide)
                target.Store4(4 * i, source.Load4(4 * i));
            else
                target.Store(i, source.Load(i));
        }
    }

    [Kernel]
    private static void SumKernel(View<float> rowLoss, View<float> loss, int n, float scale)
    {
        float sum = 0;
        for (int i = Gpu.Lane; i < n; i += Gpu.Lanes)
            sum += rowLoss[i];
        float total = Gpu.GroupSum(sum);
        if (Gpu.Lane == 0)
            loss[0] = total * scale;
    }

    // z becomes scale·(softmax(z) − onehot), times the cap's slope
    private struct RowBody : IParallelRange
    {
        public float* Z, Loss;
        public int* Rows, Targets;
        public int V;
        public float Scale, Cap;
        public bool WithGradient;
        public ScratchSet Scratch;

        public readonly void Run(int start, int end)
        {
            if (Cap > 0)
            {
                using ScratchSet.Lease lease = Scratch.Rent((nuint)V * sizeof(float));
                RunRows(start, end, (float*)lease.Data);
            }
            else
            {
                RunRows(start, end, null);
            }
        }

        private readonly void RunRows(int start, int end, float* slopes)
        {
            for (int i = start; i < end; i++)
            {
                float* z = Z + (long)i * V;
                if (Cap > 0)
                    SoftCapNode.Bend(z, slopes, Cap, V);
                int row = Rows[i], target = Targets[row];
                float max = Simd.Max(z, V), atTarget = z[target];
                float sum = Simd.ExpSum(z, 1f, max, V);
                Loss[row] = MathF.Log(sum) + max - atTarget;
                if (!WithGradient)
                    continue;
                Simd.Scale(z, Scale / sum, V);
                z[target] -= Scale;
                if (Cap > 0)
                    Simd.Multiply(z, slopes, V);
            }
        }
    }
}
