namespace Marrow.Engine.SelfTest;

/// <summary>The rows of RWKV's norms, token shift and low-rank products.</summary>
public static partial class OpCases
{
    private static IEnumerable<OpCase> LayerNorms()
    {
        foreach ((int rows, int c, int groups) in new[] { (1, 2, 1), (3, 31, 1), (7, 33, 1), (2, 4099, 1), (3, 256, 1), (5, 48, 3), (4, 256, 4), (6, 77, 7), (40, 12, 2), (3, 130, 2), (8300, 4, 1) })
        {
            yield return new("layer_norm", $"{rows}x{c}, groups {groups}", [new(rows, c), new(c), new(c)],
                (_, t) => Ops.LayerNorm(t[0], t[1], t[2], 1e-2f, groups), a => LayerNormNode.Reference(a[0], a[1], a[2], groups, 1e-2f));
        }
        yield return new("layer_norm", "far from zero, weights of rank three", [new(5, 70), new(1, 1, 70), new(1, 1, 70), new(5, 70)],
            (_, t) => Ops.LayerNorm(Ops.Add(t[0], t[3]), t[1], t[2], 64e-5f, 2), a => LayerNormNode.Reference(a[0].Zip(a[3], (x, y) => x + y), a[1], a[2], 2, 64e-5f)) { Range = 3, Activations = [0, 3] };
    }

    private static IEnumerable<OpCase> TokenShifts()
    {
        (string Name, int[] Starts, int Channels)[] rows =
        [
            ("one row", [0, 1], 2),
            ("one sequence", [0, 9], 31),
            ("single rows and empty sequences", [0, 0, 3, 4, 4, 4, 5, 12, 12], 33),
            ("many rows", [0, 30, 31, 140], 68),
            ("wide rows", [0, 2, 2, 5], 1030),
        ];
        foreach ((string name, int[] starts, int c) in rows)
        {
            int n = starts[^1], s = starts.Length - 1;
            yield return new("token_mix", $"{name}, from zeros", [new(n, c), new(1, 1, c)],
                (tape, t) => Ops.TokenMix(t[0], t[1], tape.Upload(starts), null), a => TokenMixNode.Reference(a[0], a[1], starts, null, null));
            yield return new("token_mix", $"{name}, dynamic", [new(n, c), new(c), new(n, c)],
                (tape, t) => Ops.TokenMix(t[0], t[1], tape.Upload(starts), null, t[2]), a => TokenMixNode.Reference(a[0], a[1], starts, null, a[2])) { Activations = [0, 2] };
            yield return new("token_mix", $"{name}, dynamic, from a state", [new(n, c), new(c), new(s, c), new(n, c)],
                (tape, t) => Ops.TokenMix(t[0], t[1], tape.Upload(starts), t[2], t[3]), a => TokenMixNode.Reference(a[0], a[1], starts, a[2], a[3])) { Frozen = [2], Activations = [0, 3] };
            yield return new("keep_last", name, [new(n, c), new(s, c)], (tape, t) => KeepLast(tape, t[0], starts, t[1]), a => LastRows.Reference(a[0], starts, a[1])) { Frozen = [0, 1] };
            yield return new("keep_last", $"{name}, from zeros", [new(n, c)], (tape, t) => KeepLast(tape, t[0], starts, null), a => LastRows.Reference(a[0], starts, null)) { Frozen = [0] };
        }
        yield return new("token_mix", "from a state of the activations' type", [new(6, 12), new(12), new(2, 12)],
            (tape, t) => Ops.TokenMix(t[0], t[1], tape.Upload([0, 2, 6]), t[2]), a => TokenMixNode.Reference(a[0], a[1], [0, 2, 6], a[2], null)) { Frozen = [2], Activations = [0, 2] };
        yield return new("token_mix", "z is its own dynamic part", [new(6, 12), new(12)],
            (tape, t) => Ops.TokenMix(t[0], t[1], tape.Upload([0, 2, 6]), null, t[0]), a => TokenMixNode.Reference(a[0], a[1], [0, 2, 6], null, a[0]));
    }

    private static IEnumerable<OpCase> PlainProducts()
    {
        foreach ((int n, int inner, int outputs) in new[] { (1, 1, 1), (3, 31, 33), (65, 64, 100), (2, 4099, 5) })
        {
            yield return new("product", $"{n}x{inner}x{outputs}", [new(n, inner), new(inner, outputs)],
                (_, t) => Ops.Product(t[0], t[1]), a => ProductNode.Reference(a[0], a[1], 0));
        }
        yield return new("product", "bf16 weight", [new(7, 32), new(32, 48)], (_, t) => Ops.Product(t[0], t[1]), a => ProductNode.Reference(a[0], a[1], 0)) { Bf16 = [1] };
        yield return new("product", "a part of a bf16 weight", [new(7, 96), new(3, 32, 48)], (_, t) => Ops.Product(t[0], t[1], 1), a => ProductNode.Reference(a[0], a[1], 1)) { Bf16 = [1] };
        foreach ((int n, int inner, int outputs) in new[] { (1, 3, 5), (19, 7, 33), (40, 32, 64) })
        {
            yield return new("product", $"one part, {n}x{inner}x{outputs}", [new(n, 3 * inner), new(3, inner, outputs)],
                (_, t) => Ops.Product(t[0], t[1], 2), a => ProductNode.Reference(a[0], a[1], 2));
            // Three rounded values are added, and may cancel.
            yield return new("product", $"three parts, {n}x{inner}x{outputs}", [new(n, 3 * inner), new(3, inner, outputs)],
                (_, t) => Ops.Add(Ops.Add(Ops.Product(t[0], t[1], 2), Ops.Product(t[0], t[1])), Ops.Product(t[0], t[1], 1)),
                a => ProductNode.Reference(a[0], a[1], 0).Zip(ProductNode.Reference(a[0], a[1], 1), (x, y) => x + y).Zip(ProductNode.Reference(a[0], a[1], 2), (x, y) => x + y)) { Bf16Tolerance = 2.5e-2 };
        }
    }

    private static Tensor KeepLast(Autograd.Tape tape, Tensor z, int[] starts, Tensor? previous)
    {
        Tensor next = tape.New(new Shape(starts.Length - 1, z.Shape.Last));
        Ops.KeepLast(z, tape.Upload(starts), previous, next);
        return next;
    }
}
