using Marrow.Formats;

namespace Marrow.Engine.SelfTest;

/// <summary>The rows: every op at ordinary, tiny and awkward sizes.</summary>
public static partial class OpCases
{
    /// <summary>All cases.</summary>
    public static IEnumerable<OpCase> All =>
    [
        .. Norms(), .. Products(), .. AdapterOps(), .. Elementwise(), .. Positions(), .. Attention(), .. Losses(),
        .. Wkv7(), .. LayerNorms(), .. TokenShifts(), .. PlainProducts(), .. Wkv6(), .. GemmaOps(), .. Maps(), .. KeysAndValues(),
        .. BlockProducts(), .. DoraOps(), .. Quantised(),
    ];

    private static IEnumerable<OpCase> Norms()
    {
        foreach ((int rows, int width, int n) in new[] { (1, 2, 2), (3, 31, 31), (7, 33, 33), (2, 4099, 4099), (5, 48, 16), (2, 255, 255), (1, 256, 256), (3, 257, 257), (40, 12, 12), (8300, 4, 4) })
        {
            yield return new("rms_norm", $"{rows}x{width} in groups of {n}", [new(rows, width), new(n)],
                (_, t) => Ops.RmsNorm(t[0], t[1], 1e-5f), a => RmsNormNode.Reference(a[0], a[1], 1e-5f));
        }
        foreach ((int rows, int width, int n) in new[] { (1, 2, 2), (3, 31, 31), (5, 48, 16), (2, 1024, 1024) })
        {
            // Both results count: the norm, and the sum that goes on beside it.
            yield return new("add_rms_norm", $"{rows}x{width} in groups of {n}", [new(rows, width), new(rows, width), new(n)],
                (_, t) => Ops.Add(Ops.AddRmsNorm(t[0], t[1], t[2], 1e-5f, out Tensor sum), sum),
                a => NormAndSum(a[0].Zip(a[1], (x, y) => x + y), a[2])) { Activations = [0, 1] };
        }
    }

    private static NdArray NormAndSum(NdArray sum, NdArray w, double offset = 0) => RmsNormNode.Reference(sum, w, 1e-5f, offset).Zip(sum, (x, y) => x + y);

    private static IEnumerable<OpCase> Products()
    {
        foreach ((int n, int inputs, int outputs) in new[] { (1, 1, 1), (3, 31, 33), (65, 64, 100), (130, 300, 257), (2, 4099, 5) })
        {
            yield return new("linear", $"{n}x{inputs}→{outputs}", [new(n, inputs), new(outputs, inputs), new(outputs)],
                (_, t) => Ops.Linear(t[0], t[1], t[2]), a => LinearNode.Reference(a[0], a[1], a[2]));
            yield return new("linear", $"{n}x{inputs}→{outputs} bf16 weight, no bias", [new(n, inputs), new(outputs, inputs)],
                (_, t) => Ops.Linear(t[0], t[1]), a => LinearNode.Reference(a[0], a[1], null)) { Bf16 = [1] };
        }
        foreach (bool transposed in new[] { false, true })
        {
            yield return new("add_matmul", transposed ? "transposed" : "plain", [new(19, 33), new(19, 7), transposed ? new(33, 7) : new(7, 33)],
                (_, t) => Ops.AddMatMul(Ops.Add(t[0], t[0]), t[1], t[2], transposed, 1.5f),
                a => AddMatMulNode.Reference(a[0].Map(v => 2 * v), a[1], a[2], transposed, 1.5)) { Activations = [0, 1] };
        }
        foreach ((int count, int width) in new[] { (1, 1), (5, 33), (300, 128), (40, 257) })
        {
            int[] ids = [.. Enumerable.Range(0, count).Select(i => i * i * 3 % 7)];
            yield return new("embedding", $"{count} ids, width {width}", [new(7, width)], (tape, t) => Ops.Embedding(tape.Upload(ids), t[0]), a => EmbeddingNode.Reference(ids, a[0])) { Activations = [] };
            yield return new("embedding", $"{count} ids, width {width}, bf16 table", [new(7, width), new(count, width)],
                (tape, t) => Ops.Add(t[1], Ops.Embedding(tape.Upload(ids), t[0])), a => EmbeddingNode.Reference(ids, a[0]).Zip(a[1], (x, y) => x + y)) { Bf16 = [0], Activations = [1] };
        }
    }

    private static IEnumerable<OpCase> AdapterOps()
    {
        foreach ((int rows, int inputs, int r) in new[] { (1, 1, 1), (3, 40, 16), (5, 64, 16), (4, 33, 31), (2, 5, 8), (3, 100, 33), (2, 257, 255), (1, 1024, 256) })
        {
            yield return new("block_sum", $"{rows}x{inputs}, r {r}", [new(rows, inputs)], (_, t) => Ops.BlockSum(t[0], r), a => BlockSumNode.Reference(a[0], r));
        }
        yield return new("block_sum", "input used twice", [new(3, 40)], (_, t) => Ops.TileAdd(Ops.Add(t[0], t[0]), Ops.BlockSum(t[0], 8)),
            a => TileAddNode.Reference(a[0].Map(v => 2 * v), BlockSumNode.Reference(a[0], 8)));
        foreach ((int rows, int width, int m) in new[] { (3, 24, 6), (5, 256, 64), (1, 1023, 341) })
        {
            yield return new("tile_add", $"{rows} rows, m {m} of {width}", [new(rows, width), new(rows, m)], (_, t) => Ops.TileAdd(Ops.Add(t[0], t[0]), t[1]),
                a => TileAddNode.Reference(a[0].Map(v => 2 * v), a[1])) { Activations = [0, 1] };
        }
        foreach ((int n, int inputs, int outputs, int r) in new[] { (1, 1, 1, 1), (9, 24, 40, 8), (33, 33, 11, 31), (70, 33, 70, 31), (130, 5, 3, 7), (80, 200, 40, 96) })
        {
            yield return new("bone_linear", $"{n}x{inputs}→{outputs}, r {r}", [new(n, inputs), new(outputs, inputs), new(r, outputs), new(outputs)],
                (_, t) => Ops.BoneLinear(t[0], t[1], t[2], t[3]), a => BoneLinearNode.Reference(a[0], a[1], a[2], a[3])) { Frozen = [1, 3] };
        }
        yield return new("bone_linear", "bf16 weight", [new(128, 24), new(40, 24), new(8, 40)],
            (_, t) => Ops.BoneLinear(t[0], t[1], t[2]), a => BoneLinearNode.Reference(a[0], a[1], a[2], null)) { Bf16 = [1] };
        foreach ((int n, int inputs, int outputs, int r) in new[] { (1, 1, 1, 1), (9, 24, 40, 8), (5, 33, 11, 11) })
        {
            yield return new("bat_linear", $"{n}x{inputs}→{outputs}, r {r}", [new(n, inputs), new(outputs, inputs), new(outputs / r, r, r), new(outputs)],
                (_, t) => Ops.BatLinear(t[0], t[1], t[2], t[3]), a => BatLinearNode.Reference(a[0], a[1], a[2], a[3])) { Frozen = [1, 3] };
        }
        yield return new("bat_linear", "bf16 weight", [new(9, 24), new(40, 24), new(5, 8, 8)],
            (_, t) => Ops.BatLinear(t[0], t[1], t[2]), a => BatLinearNode.Reference(a[0], a[1], a[2], null)) { Bf16 = [1] };
    }

    private static IEnumerable<OpCase> Elementwise()
    {
        foreach (Shape shape in new Shape[] { new(1, 1), new(3, 31), new(2, 4099), new(1, 255), new(4, 64), new(1, 1023) })
        {
            yield return new("add", $"{shape}", [shape, shape], (_, t) => Ops.Add(t[0], t[1]), a => AddNode.Reference(a[0], a[1])) { Activations = [0, 1] };
            yield return new("swiglu", $"{shape}", [shape, shape], (_, t) => Ops.SwiGlu(t[0], t[1]), a => SwiGluNode.Reference(a[0], a[1])) { Activations = [0, 1], Range = 4 };
            yield return new("dropout", $"{shape}", [shape], (tape, t) => Ops.Dropout(t[0], 0.25f, 7), a => DropoutNode.Reference(a[0], 0.25, 0, 7));
        }
        yield return new("add", "both sides the same tensor", [new(3, 31)], (_, t) => Ops.Add(t[0], t[0]), a => a[0].Map(v => 2 * v));
        yield return new("swiglu", "large values", [new(3, 33), new(3, 33)], (_, t) => Ops.SwiGlu(t[0], t[1]), a => SwiGluNode.Reference(a[0], a[1])) { Activations = [0, 1], Range = 60 };
    }

    private static IEnumerable<OpCase> Positions()
    {
        int[] positions = [0, 1, 2, 0, 4];
        foreach (int half in new[] { 1, 8, 12, 33 })
        {
            yield return new("rope", $"two heads of {2 * half}", [new(5, 4 * half), new(5, half), new(5, half)],
                (tape, t) => Ops.Rope(Ops.Add(t[0], t[0]), tape.Upload(positions), t[1], t[2]),
                a => RopeNode.Reference(a[0].Map(v => 2 * v), positions, a[1], a[2])) { Frozen = [1, 2] };
        }
    }

    private static IEnumerable<OpCase> Attention()
    {
        (string Name, int[] Starts, AttentionShape Form)[] rows =
        [
            ("one position", [0, 1], new(1, 1, 1, 1f)),
            ("three sequences, grouped heads", [0, 4, 5, 33], new(4, 2, 8, 0.35f)),
            ("longer than a query block", [0, 70, 137], new(2, 1, 16, 0.25f)),
            ("window", [0, 9, 100], new(2, 2, 8, 0.35f, 5)),
            ("window as long as the sequence", [0, 31], new(2, 1, 33, 0.2f, 31)),
            ("longer than a key block", [0, 530], new(1, 1, 2, 0.5f)),
            ("window, longer than a key block", [0, 570], new(1, 1, 2, 0.5f, 520)),
            ("many short sequences", [0, .. Enumerable.Range(1, 100).Select(s => s / 3 * 6 + s % 3 * (s % 3 + 1) / 2)], new(2, 1, 8, 0.35f)),
            ("lengths around tile borders", [0, 15, 31, 48, 79, 111, 144, 207, 271, 336], new(2, 1, 2, 0.7f)),
            ("window of two positions", [0, 40], new(1, 1, 8, 0.35f, 2)),
            ("heads of 64", [0, 7, 40], new(2, 1, 64, 0.125f)),
            ("heads of 128", [0, 34], new(1, 1, 128, 0.088f, 30)),
        ];
        foreach ((string name, int[] starts, AttentionShape form) in rows)
        {
            int n = starts[^1];
            Shape q = new(n, form.Heads * form.HeadDim), kv = new(n, form.KvHeads * form.HeadDim);
            yield return new("attention", name, [q, kv, kv], (tape, t) => Ops.Attention(t[0], t[1], t[2], tape.Upload(starts), form),
                a => AttentionNode.Reference(a[0], a[1], a[2], starts, form)) { Activations = [0, 1, 2] };
        }
        yield return new("attention", "q, k and v the same tensor", [new(20, 8)], (tape, t) => Ops.Attention(t[0], t[0], t[0], tape.Upload([0, 12, 20]), new(1, 1, 8, 0.35f)),
            a => AttentionNode.Reference(a[0], a[0], a[0], [0, 12, 20], new(1, 1, 8, 0.35f)));
    }

    private static IEnumerable<OpCase> Losses()
    {
        foreach ((int n, int c, int v) in new[] { (1, 1, 2), (12, 31, 33), (5, 16, 4099), (3, 8, 1024), (900, 2, 5) })
        {
            int[] targets = [.. Enumerable.Range(0, n).Select(t => t % 4 == 2 ? TokenExample.Ignore : t * 7 % v)];
            yield return new("linear_cross_entropy", $"{n} rows, vocabulary {v}", [new(n, c), new(v, c)],
                (tape, t) => Ops.LinearCrossEntropy(t[0], t[1], tape.Upload(targets), 0.125f, out _),
                a => LinearCrossEntropyNode.Reference(a[0], a[1], targets, 0.125));
            yield return new("linear_cross_entropy", $"{n} rows, vocabulary {v}, bf16 head", [new(n, c), new(v, c)],
                (tape, t) => Ops.LinearCrossEntropy(t[0], t[1], tape.Upload(targets), 0.125f, out _),
                a => LinearCrossEntropyNode.Reference(a[0], a[1], targets, 0.125)) { Bf16 = [1] };
        }
        yield return new("linear_cross_entropy", "nothing counted", [new(2, 8), new(33, 8)],
            (tape, t) => Ops.LinearCrossEntropy(t[0], t[1], tape.Upload([TokenExample.Ignore, TokenExample.Ignore]), 1f, out _),
            a => LinearCrossEntropyNode.Reference(a[0], a[1], [TokenExample.Ignore, TokenExample.Ignore], 1));
        yield return new("linear_cross_entropy", "large logits", [new(6, 8), new(33, 8)],
            (tape, t) => Ops.LinearCrossEntropy(t[0], t[1], tape.Upload([1, 2, 3, 4, 5, 6]), 1f, out _),
            a => LinearCrossEntropyNode.Reference(a[0], a[1], [1, 2, 3, 4, 5, 6], 1)) { Range = 12 };
    }
}
