using Marrow.Engine.Autograd;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.SelfTest;

public static partial class OpCases
{
    private static IEnumerable<OpCase> Wkv6()
    {
        (string Name, int[] Starts, int Heads, int N, float Decay, float Range)[] rows =
        [
            ("one token, heads of 8", [0, 1], 2, 8, -0.5f, 1f),
            ("15, 16, 0, 17 and 37 tokens, heads of 8", [0, 15, 31, 31, 48, 85], 2, 8, -0.6f, 0.5f),
            ("heads of 5", [0, 2, 20], 3, 5, -0.6f, 0.5f),
            ("heads of 16, hardly a decay", [0, 33], 2, 16, -0.001f, 0.3f),
            ("heads of 24, all forgotten at once", [0, 0, 18], 1, 24, -200f, 0.5f),
            ("heads of 32, many", [0, 18], 5, 32, -0.5f, 0.5f),
            ("heads of 64", [0, 17], 1, 64, -0.5f, 0.5f),
        ];
        int[] activations = [0, 2, 3];
        foreach ((string name, int[] starts, int heads, int n, float decay, float range) in rows)
        {
            Shape x = new(starts[^1], heads * n), u = new(heads, n), one = new(heads, n, n), each = new(starts.Length - 1, heads, n, n);
            yield return new("wkv6", $"{name}, from zeros", [x, x, x, x, u], (tape, t) => Wkv6(tape, t, starts, heads, decay, null, out _),
                a => Wkv6(a, starts, heads, decay, null, out _)) { Activations = activations, Range = range };
            yield return new("wkv6", $"{name}, a state for all", [x, x, x, x, u, one], (tape, t) => Wkv6(tape, t, starts, heads, decay, t[5], out _),
                a => Wkv6(a, starts, heads, decay, a[5], out _)) { Activations = activations, Range = range };
            // The last state goes into a second call, so that its gradient comes from there; the first call's own result counts too.
            yield return new("wkv6", $"{name}, a state for each and on from the last", [x, x, x, x, u, each],
                (tape, t) => Ops.Add(Wkv6(tape, t, starts, heads, decay, t[5], out Tensor last), Wkv6(tape, t, starts, heads, decay, last, out _)),
                a => Wkv6(a, starts, heads, decay, a[5], out NdArray last).Zip(Wkv6(a, starts, heads, decay, last, out _), (p, q) => p + q))
            { Activations = activations, Range = range };
        }
        int[] two = [0, 5, 21];
        yield return new("wkv6", "only the last state counts, r, k and v the same tensor", [new(21, 8), new(21, 8), new(1, 8)],
            (tape, t) =>
            {
                Wkv6(tape, [t[0], t[1], t[0], t[0], t[2]], two, 1, -0.5f, null, out Tensor last);
                return Wkv6(tape, [t[0], t[1], t[0], t[0], t[2]], two, 1, -0.5f, last, out _);
            },
            a =>
            {
                NdArray[] all = [a[0], a[1], a[0], a[0], a[2]];
                Wkv6(all, two, 1, -0.5f, null, out NdArray last);
                return Wkv6(all, two, 1, -0.5f, last, out _);
            })
        {
            // Six contributions to the gradient, each rounded on its own.
            Range = 0.5f, Bf16Tolerance = 3e-2,
        };
    }

    private static Tensor Wkv6(Tape tape, Tensor[] t, int[] starts, int heads, float decay, Tensor? initial, out Tensor final)
    {
        // The decay is fp32 whatever the activations are.
        DType activations = tape.ActivationType;
        tape.ActivationType = DType.F32;
        Tensor shift = tape.New(t[1].Shape);
        shift.WriteFloats([.. Enumerable.Repeat(decay, (int)shift.Shape.Count)]);
        Tensor logDecay = Ops.Add(t[1], shift);
        tape.ActivationType = activations;
        return Ops.Wkv6(t[0], logDecay, t[2], t[3], t[4], tape.Upload(starts), heads, initial, out final);
    }

    private static NdArray Wkv6(NdArray[] a, int[] starts, int heads, float decay, NdArray? initial, out NdArray final) =>
        Wkv6Node.Reference(a[0], a[1].Map(l => l + decay), a[2], a[3], a[4], starts, heads, initial, out final);
}
