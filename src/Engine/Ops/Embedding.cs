using Marrow.Engine.Autograd;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>y[t] = w[ids[t]]. ids: [N] i32, w: [V, C] fp32 or bf16; y: [N, C] fp32.</summary>
    /// <exception cref="MarrowException">An id lies outside the vocabulary.</exception>
    public static Tensor Embedding(Tensor ids, Tensor w)
    {
        Check.Type("embedding", ids, "ids", DType.I32);
        Check.Type("embedding", w, "w", DType.F32, w.NeedsGrad ? null : DType.BF16);
        Tape tape = ids.Tape!;
        Tensor y = tape.New(new Shape(ids.Shape.Elements, w.Shape.Last));
        EmbeddingNode.Forward(ids, w, y);
        if (tape.Tracks(w))
        {
            var node = tape.Rent<EmbeddingNode>();
            (node.Ids, node.W) = (node.Save(ids), w);
            tape.Record(node, y);
        }
        return y;
    }
}

/// <summary>The embedding's reference, CPU bodies and backward.</summary>
internal sealed unsafe class EmbeddingNode : Node
{
    public Tensor Ids = null!, W = null!;

    public static NdArray Reference(int[] ids, NdArray w)
    {
        var y = new NdArray(new Shape(ids.Length, w.Shape.Last));
        for (int t = 0; t < ids.Length; t++)
            for (int i = 0; i < w.Shape.Last; i++)
                y[t, i] = w[ids[t], i];
        return y;
    }

    public static void Forward(Tensor ids, Tensor w, Tensor y)
    {
        int n = ids.Shape.Elements, c = w.Shape.Last;
        for (int t = 0; t < n; t++)
        {
            int id = ids.I32[t];
            if ((uint)id >= (uint)w.Shape.Rows)
                throw new MarrowException("E105", $"embedding: token id {id} at position {t} is outside the vocabulary of {w.Shape.Rows}. Does the tokenizer belong to this model? [E105]");
            var row = new Span<float>(y.F32 + (long)t * c, c);
            if (w.DType == DType.BF16)
                BFloat16.Widen(new ReadOnlySpan<BFloat16>(w.BF16 + (long)id * c, c), row);
            else
                new ReadOnlySpan<float>(w.F32 + (long)id * c, c).CopyTo(row);
        }
    }

    protected internal override void Backward(Tensor grad)
    {
        if (SumOf(W) is not { } dw)
            return;
        var body = new ScatterBody { Ids = Ids.I32, Dy = grad.F32, Dw = dw.F32, N = grad.Shape.Rows, C = grad.Shape.Last };
        ((CpuDevice)grad.Device).Pool.ForRange(grad.Shape.Last, 64, ref body);
    }

    // A range of columns at a time: rows of one id are added in order whatever the thread count.
    private struct ScatterBody : IParallelRange
    {
        public int* Ids;
        public float* Dy, Dw;
        public int N, C;

        public readonly void Run(int start, int end)
        {
            for (int t = 0; t < N; t++)
                Simd.Add(Dw + (long)Ids[t] * C + start, Dy + (long)t * C + start, end - start);
        }
    }
}
