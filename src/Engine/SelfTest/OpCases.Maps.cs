namespace Marrow.Engine.SelfTest;

/// <summary>The rows of RWKV's elementwise functions, keys, values and bonus.</summary>
public static partial class OpCases
{
    private static IEnumerable<OpCase> Maps()
    {
        // The slopes of tanh and σ come from their results: rounded to bf16, these are off by 2⁻⁹ of a slope of at most 1 or 1/4.
        foreach ((int rows, int c) in new[] { (1, 1), (3, 31), (2, 4099), (40, 12), (5, 64), (8300, 4) })
        {
            Shape x = new(rows, c);
            yield return new("tanh", $"{x}", [x], (_, t) => Ops.Tanh(t[0]), a => MapNode<TanhMap>.Reference(a[0])) { Range = 1.5f, Bf16Tolerance = 2e-2 };
            yield return new("squared_relu", $"{x}", [x], (_, t) => Ops.SquaredRelu(t[0]), a => MapNode<SquaredReluMap>.Reference(a[0])) { Range = 3 };
            yield return new("sigmoid", $"{x}", [x], (_, t) => Ops.Sigmoid(t[0]), a => MapNode<SigmoidMap>.Reference(a[0])) { Range = 3, Bf16Tolerance = 2e-2 };
            yield return new("sigmoid", $"{x} with bias", [x, new(1, 1, c)], (_, t) => Ops.Sigmoid(t[0], t[1]), a => MapNode<SigmoidMap>.Reference(a[0], a[1])) { Range = 2, Bf16Tolerance = 2e-2 };
            yield return new("log_decay7", $"{x}", [x, new(1, 1, c)], (_, t) => Ops.LogDecay7(t[0], t[1]), a => MapNode<LogDecay7Map>.Reference(a[0], a[1])) { Range = 2 };
            yield return new("log_decay6", $"{x}", [x, new(c)], (_, t) => Ops.LogDecay6(t[0], t[1]), a => MapNode<LogDecay6Map>.Reference(a[0], a[1])) { Range = 2 };
            yield return new("multiply", $"{x}", [x, x], (_, t) => Ops.Multiply(t[0], t[1], -1.5f), a => MultiplyNode.Reference(a[0], a[1], -1.5)) { Activations = [0, 1] };
        }
        foreach (float range in new[] { 0.001f, 0.1f, 0.7f, 9f })
            yield return new("tanh", $"to the last places up to {range}", [new(5, 131)], (_, t) => Ops.Tanh(t[0]), a => MapNode<TanhMap>.Reference(a[0])) { Range = range, Tolerance = 1e-6, Bf16Tolerance = 2e-2 };
        yield return new("tanh", "large values", [new(3, 37)], (_, t) => Ops.Tanh(t[0]), a => MapNode<TanhMap>.Reference(a[0])) { Range = 60, Bf16Tolerance = 2e-2 };
        yield return new("sigmoid", "large values", [new(3, 37), new(37)], (_, t) => Ops.Sigmoid(t[0], t[1]), a => MapNode<SigmoidMap>.Reference(a[0], a[1])) { Range = 60, Bf16Tolerance = 2e-2 };
        yield return new("multiply", "both sides the same tensor", [new(3, 31)], (_, t) => Ops.Multiply(t[0], t[0]), a => a[0].Map(v => v * v));
    }

    private static IEnumerable<OpCase> KeysAndValues()
    {
        foreach ((int rows, int heads, int n) in new[] { (1, 1, 1), (4, 5, 1), (7, 3, 8), (3, 2, 63), (6, 3, 64), (40, 1, 12), (2, 1, 1030), (600, 2, 4) })
        {
            int c = heads * n;
            Shape x = new(rows, c);
            string size = $"{rows} rows, {heads} heads of {n}";
            // A head of one channel is 1 or −1 and has no slope, only what rounding leaves of one.
            yield return new("removal_key", size, [x, new(1, 1, c)], (_, t) => Ops.RemovalKey(t[0], t[1], heads), a => RemovalKeyNode.Reference(a[0], a[1], heads)) { Frozen = n == 1 ? [0, 1] : [] };
            yield return new("head_bonus", size, [x, x, x, new(heads, n), x], (_, t) => Ops.HeadBonus(t[0], t[1], t[2], t[3], t[4], heads),
                a => HeadBonusNode.Reference(a[0], a[1], a[2], a[3], a[4], heads)) { Activations = [0, 1, 2, 4] };
        }
        foreach ((int rows, int c) in new[] { (1, 1), (3, 31), (2, 1030), (40, 12), (5, 64), (900, 4) })
        {
            Shape x = new(rows, c);
            yield return new("replacement_key", $"{x}", [x, x, new(1, 1, c)], (_, t) => Ops.ReplacementKey(t[0], t[1], t[2]), a => ReplacementKeyNode.Reference(a[0], a[1], a[2])) { Activations = [0, 1] };
            yield return new("value_mix", $"{x}", [x, x, x, new(1, 1, c)], (_, t) => Ops.ValueMix(t[0], t[1], t[2], t[3]), a => ValueMixNode.Reference(a[0], a[1], a[2], a[3])) { Range = 2, Activations = [0, 1, 2] };
        }
    }
}
