using Marrow.Formats;

namespace Marrow.Engine.SelfTest;

/// <summary>What the Gemma models need: GeGLU, soft caps, norms that multiply by 1 + w, a scaled embedding.</summary>
public static partial class OpCases
{
    private static IEnumerable<OpCase> GemmaOps()
    {
        foreach (Shape shape in new Shape[] { new(1, 1), new(3, 31), new(2, 4099), new(4, 64) })
        {
            yield return new("geglu", $"{shape}", [shape, shape], (_, t) => Ops.GeGlu(t[0], t[1]), a => GeGluNode.Reference(a[0], a[1])) { Activations = [0, 1], Range = 4 };
            yield return new("soft_cap", $"{shape}", [shape], (_, t) => Ops.SoftCap(Ops.Add(t[0], t[0]), 1.5f), a => SoftCapNode.Reference(a[0].Map(v => 2 * v), 1.5f)) { Bf16Tolerance = 2e-2 };
        }
        yield return new("geglu", "large values", [new(3, 33), new(3, 33)], (_, t) => Ops.GeGlu(t[0], t[1]), a => GeGluNode.Reference(a[0], a[1])) { Activations = [0, 1], Range = 60 };
        yield return new("soft_cap", "far beyond the cap", [new(3, 33)], (_, t) => Ops.SoftCap(Ops.Add(t[0], t[0]), 2f), a => SoftCapNode.Reference(a[0].Map(v => 2 * v), 2)) { Range = 60 };
        foreach ((int rows, int width, int n) in new[] { (3, 31, 31), (5, 48, 16), (2, 4099, 4099) })
        {
            yield return new("rms_norm", $"1 + w, {rows}x{width} in groups of {n}", [new(rows, width), new(n)],
                (_, t) => Ops.RmsNorm(t[0], t[1], 1e-5f, 1f), a => RmsNormNode.Reference(a[0], a[1], 1e-5f, 1));
        }
        yield return new("add_rms_norm", "1 + w", [new(5, 48), new(5, 48), new(16)],
            (_, t) => Ops.Add(Ops.AddRmsNorm(t[0], t[1], t[2], 1e-5f, out Tensor sum, 1f), sum),
            a => NormAndSum(a[0].Zip(a[1], (x, y) => x + y), a[2], 1)) { Activations = [0, 1] };
        int[] ids = [3, 1, 3, 0, 6];
        yield return new("embedding", "scaled", [new(7, 33)], (tape, t) => Ops.Embedding(tape.Upload(ids), t[0], 5.5f), a => EmbeddingNode.Reference(ids, a[0], 5.5)) { Activations = [] };
        // One width of heads: each takes compilers seconds.
        foreach ((string name, int[] starts, AttentionShape form) in new (string, int[], AttentionShape)[]
        {
            ("soft cap, grouped heads, window", [0, 4, 5, 33], new(4, 2, 2, 2.5f, 9, 1.5f)),
            ("soft cap, longer than a key block", [0, 530], new(1, 1, 2, 2.5f, null, 2f)),
        })
        {
            Shape q = new(starts[^1], form.Heads * form.HeadDim), kv = new(starts[^1], form.KvHeads * form.HeadDim);
            yield return new("attention", name, [q, kv, kv], (tape, t) => Ops.Attention(t[0], t[1], t[2], tape.Upload(starts), form),
                a => AttentionNode.Reference(a[0], a[1], a[2], starts, form)) { Activations = [0, 1, 2] };
        }
        foreach ((int n, int c, int v) in new[] { (12, 31, 33), (3, 8, 1024) })
        {
            int[] targets = [.. Enumerable.Range(0, n).Select(t => t % 4 == 2 ? TokenExample.Ignore : t * 7 % v)];
            yield return new("linear_cross_entropy", $"soft cap, {n} rows, vocabulary {v}", [new(n, c), new(v, c)],
                (tape, t) => Ops.LinearCrossEntropy(t[0], t[1], tape.Upload(targets), 0.125f, out _, 1.5f),
                a => LinearCrossEntropyNode.Reference(a[0], a[1], targets, 0.125, 1.5)) { Range = 2 };
        }
    }
}
