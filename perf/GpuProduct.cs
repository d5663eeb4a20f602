using Marrow.Engine;
using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;

namespace Marrow.Perf;

/// <summary>A bf16 matrix product of a training step on a device: [m, k]·[k, n] to bf16.</summary>
internal sealed record GpuProduct(string Name, int M, int N, int K, bool TransposedA = false, bool TransposedB = false)
{
    /// <summary>The products of a shape's layers, forward and backward, and one large square.</summary>
    public static IEnumerable<GpuProduct> Of(GpuShape shape)
    {
        int tokens = shape.Rows * shape.Length, hidden = shape.Config.HiddenSize, wide = shape.Config.IntermediateSize;
        yield return new("q x·Wt", tokens, hidden, hidden, TransposedB: true);
        yield return new("gate x·Wt", tokens, wide, hidden, TransposedB: true);
        yield return new("down x·Wt", tokens, hidden, wide, TransposedB: true);
        yield return new("gate dy·W", tokens, hidden, wide);
        yield return new("lora x·At", tokens, 16, hidden, TransposedB: true);
        yield return new("lora h·Bt", tokens, hidden, 16, TransposedB: true);
        yield return new("lora dht·x", 16, hidden, tokens, TransposedA: true);
        int side = Math.Min(8192, 2 * hidden);
        yield return new("square", side, side, side, TransposedB: true);
    }

    /// <summary>Floating-point operations a second.</summary>
    public double Measure(KernelDevice device)
    {
        using Tensor a = Make(device, TransposedA ? K : M, TransposedA ? M : K), b = Make(device, TransposedB ? N : K, TransposedB ? K : N), c = Make(device, M, N);
        return GpuPerf.Rate(device, 2.0 * M * N * K, () => MatMul.Run(a, TransposedA, b, TransposedB, c));
    }

    private static Tensor Make(KernelDevice device, int rows, int columns)
    {
        var tensor = new Tensor(device, new Shape(rows, columns), DType.BF16);
        var random = new Random(1);
        var values = new BFloat16[tensor.Shape.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = (BFloat16)(random.NextSingle() - 0.5f);
        tensor.Upload<BFloat16>(values);
        return tensor;
    }
}
