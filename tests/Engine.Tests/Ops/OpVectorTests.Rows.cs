using Marrow.Engine.SelfTest;

namespace Marrow.Engine.Tests.Ops;

public sealed partial class OpVectorTests
{
    [Fact]
    public void LayerNorm() => WithVectors("layernorm", v => Check(
        new OpCase("layer_norm", "vectors", [new(14, 48), new(48), new(48)], (_, t) => Engine.Ops.LayerNorm(t[0], t[1], t[2], 1e-5f), a => LayerNormNode.Reference(a[0], a[1], a[2], 1, 1e-5)),
        [v["in.x"], v["in.weight"], v["in.bias"]], v["out.y"], v["up.y"], [v["grad.x"], v["grad.weight"], v["grad.bias"]]));

    [Fact]
    public void GroupNorm() => WithVectors("groupnorm", v => Check(
        new OpCase("layer_norm", "vectors, three groups", [new(10, 48), new(48), new(48)],
            (_, t) => Engine.Ops.LayerNorm(t[0], t[1], t[2], 64e-5f, 3), a => LayerNormNode.Reference(a[0], a[1], a[2], 3, 64e-5)),
        [v["in.x"], v["in.weight"], v["in.bias"]], v["out.y"], v["up.y"], [v["grad.x"], v["grad.weight"], v["grad.bias"]]));

    [Fact]
    public void TokenShift() => WithVectors("token_shift", v =>
    {
        int[] starts = [0, 6, 12];
        Check(
            new OpCase("token_mix", "vectors, from zeros", [new(12, 10), new(10)],
                (tape, t) => Engine.Ops.TokenMix(t[0], t[1], tape.Upload(starts), null), a => TokenMixNode.Reference(a[0], a[1], starts, null, null)),
            [v["from_zero.in.x"], v["from_zero.in.mix"]], v["from_zero.out.y"], v["from_zero.up.y"], [v["from_zero.grad.x"], v["from_zero.grad.mix"]]);
        // The state before a sequence is a constant here; the vectors have a gradient for it too.
        Check(
            new OpCase("token_mix", "vectors, from a state", [new(12, 10), new(10), new(2, 10)],
                (tape, t) => Engine.Ops.TokenMix(t[0], t[1], tape.Upload(starts), t[2]), a => TokenMixNode.Reference(a[0], a[1], starts, a[2], null)) { Frozen = [2] },
            [v["with_prev.in.x"], v["with_prev.in.mix"], v["with_prev.in.prev"]], v["with_prev.out.y"], v["with_prev.up.y"], [v["with_prev.grad.x"], v["with_prev.grad.mix"], null]);
    });
}
