using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>
    /// scale · Σ cross-entropy of softmax(x·wᵀ) at targets, rows with target −100 left out; also every row's own loss (0 where left out).
    /// x: [N, C] fp32, w: [V, C] fp32 or bf16, targets: [N] i32, already shifted. Logits exist for one chunk of counted rows at a
    /// time, and the gradients are computed with them (spec/architectures.md §1.2); the result's gradient must therefore be 1.
    /// </summary>
    public static Tensor LinearCrossEntropy(Tensor x, Tensor w, Tensor targets, float scale, out Tensor rowLoss)
    {
        Check.Type("linear_cross_entropy", x, "x", DType.F32);
        Check.Type("linear_cross_entropy", w, "w", DType.F32, w.NeedsGrad ? null : DType.BF16);
        Check.LastDim("linear_cross_entropy", x, "x", w.Shape.Last);
        Check.Is("linear_cross_entropy", targets, "targets", new Shape(x.Shape.Rows));
        Tape tape = x.Tape!;
        Tensor loss = tape.New(new Shape(1));
        rowLoss = tape.Zeros(new Shape(x.Shape.Rows));
        bool tracks = tape.Tracks(x, w);
        Tensor? dx = tracks && x.NeedsGrad ? tape.Zeros(x.Shape) : null;
        Tensor? dw = tracks ? tape.SumOf(w) : null;
        int scope = tape.Open();
        LinearCrossEntropyNode.Forward(x, w, targets, scale, loss, rowLoss, dx, dw);
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

/// <summary>The reference, CPU body and (already computed) backward of the fused head and loss.</summary>
internal sealed unsafe class LinearCrossEntropyNode : Node
{
    // Logits of one chunk: enough rows for an efficient product, at most 64 MiB.
    private const int ChunkElements = 1 << 24, ChunkRows = 512;

    public Tensor X = null!;
    public Tensor? Dx;

    public static NdArray Reference(NdArray x, NdArray w, int[] targets, double scale)
    {
        NdArray z = x.TimesTransposed(w);
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

    public static void Forward(Tensor x, Tensor w, Tensor targets, float scale, Tensor loss, Tensor rowLoss, Tensor? dx, Tensor? dw)
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
                if ((uint)targets.I32[next] >= (uint)v)
                    throw new MarrowException("E105", $"loss: target id {targets.I32[next]} at position {next} is outside the vocabulary of {v}. [E105]");
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
                Z = z.F32, Rows = rows.I32, Targets = targets.I32, Loss = rowLoss.F32, V = v, Scale = scale, WithGradient = dx is not null || dw is not null,
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

    protected internal override void Backward(Tensor grad)
    {
        if (*grad.F32 != 1f)
            throw new InvalidOperationException("The loss's own gradient must be 1: put factors into its scale.");
        if (Dx is not null)
            PassGrad(X, Dx);
    }

    // z becomes scale·(softmax(z) − onehot)
    private struct RowBody : IParallelRange
    {
        public float* Z, Loss;
        public int* Rows, Targets;
        public int V;
        public float Scale;
        public bool WithGradient;

        public readonly void Run(int start, int end)
        {
            for (int i = start; i < end; i++)
            {
                float* z = Z + (long)i * V;
                int row = Rows[i], target = Targets[row];
                float max = Simd.Max(z, V), atTarget = z[target];
                float sum = Simd.ExpSum(z, 1f, max, V);
                Loss[row] = MathF.Log(sum) + max - atTarget;
                if (!WithGradient)
                    continue;
                Simd.Scale(z, Scale / sum, V);
                z[target] -= Scale;
            }
        }
    }
}
