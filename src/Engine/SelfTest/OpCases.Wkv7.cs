using Marrow.Engine.Autograd;

namespace Marrow.Engine.SelfTest;

public static partial class OpCases
{
    private static IEnumerable<OpCase> Wkv7()
    {
        (string Name, int[] Starts, int Heads, int N, float Decay, float Range)[] rows =
        [
            ("one token, heads of 8", [0, 1], 2, 8, -0.5f, 1f),
            ("15, 16, 0, 17 and 37 tokens, heads of 8", [0, 15, 31, 31, 48, 85], 2, 8, -0.6f, 0.5f),
            ("heads of 5", [0, 2, 20], 3, 5, -0.3f, 0.5f),
            ("hardly a decay, heads of 8", [0, 33], 2, 8, -0.001f, 0.3f),
            ("all forgotten at once, heads of 8", [0, 0, 18], 1, 8, -20f, 0.4f),
            ("heads of 64", [0, 17], 1, 64, -0.5f, 0.2f),
            ("heads of 128", [0, 3, 5], 1, 128, -0.5f, 0.15f),
        ];
        foreach ((string name, int[] starts, int heads, int n, float decay, float range) in rows)
        {
            Shape x = new(starts[^1], heads * n), one = new(heads, n, n), each = new(starts.Length - 1, heads, n, n);
            // After one token from zeros logDecay's gradient is nothing but rounding.
            double tolerance = starts[^1] == 1 ? 2e-4 : 2e-5;
            int[] activations = [0, 2, 3, 4, 5];
            yield return new("wkv7", $"{name}, from zeros", [x, x, x, x, x, x], (tape, t) => Run(tape, t, starts, heads, null, out _),
                a => Reference(a, starts, heads, null, out _)) { Activations = activations, Range = range, Offsets = [0f, decay], Tolerance = tolerance };
            yield return new("wkv7", $"{name}, a state for all", [x, x, x, x, x, x, one], (tape, t) => Run(tape, t, starts, heads, t[6], out _),
                a => Reference(a, starts, heads, a[6], out _)) { Activations = activations, Range = range, Offsets = [0f, decay], Tolerance = tolerance };
            // The last state goes into a second call, so that its gradient comes from there; the first call's own result counts too.
            yield return new("wkv7", $"{name}, a state for each and on from the last", [x, x, x, x, x, x, each],
                (tape, t) => Ops.Add(Run(tape, t, starts, heads, t[6], out Tensor last), Run(tape, t, starts, heads, last, out _)),
                a => Reference(a, starts, heads, a[6], out NdArray last).Zip(Reference(a, starts, heads, last, out _), (p, q) => p + q))
            { Activations = activations, Range = range, Offsets = [0f, decay], Tolerance = tolerance };
        }
        // One tensor is several inputs here: each adds its part to the gradient and rounds it.
        int[] two = [0, 5, 21];
        yield return new("wkv7", "only the last state counts", [new(21, 8), new(21, 8), new(21, 8)],
            (tape, t) =>
            {
                Run(tape, [t[0], t[1], t[2], t[2], t[0], t[0]], two, 1, null, out Tensor last);
                return Run(tape, [t[0], t[1], t[2], t[2], t[0], t[0]], two, 1, last, out _);
            },
            a =>
            {
                NdArray[] all = [a[0], a[1], a[2], a[2], a[0], a[0]];
                Reference(all, two, 1, null, out NdArray last);
                return Reference(all, two, 1, last, out _);
            }) { Activations = [0, 2], Range = 0.5f, Offsets = [0f, -0.5f], Bf16Tolerance = 3e-2 };
    }

    private static Tensor Run(Tape tape, Tensor[] t, int[] starts, int heads, Tensor? initial, out Tensor final) =>
        Ops.Wkv7(t[0], t[1], t[2], t[3], t[4], t[5], tape.Upload(starts), heads, initial, out final);

    private static NdArray Reference(NdArray[] a, int[] starts, int heads, NdArray? initial, out NdArray final) =>
        Wkv7Node.Reference(a[0], a[1], a[2], a[3], a[4], a[5], starts, heads, initial, out final);
}
