using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>As <see cref="Wkv6(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, int, Tensor, out Tensor)"/>, for callers that do not go on from the last state.</summary>
    public static Tensor Wkv6(Tensor r, Tensor logDecay, Tensor k, Tensor v, Tensor u, Tensor starts, int heads, Tensor? initial = null) =>
        Wkv6Node.Run(r, logDecay, k, v, u, starts, heads, initial, wantsFinal: false, out _);

    /// <summary>
    /// RWKV-6's time mixing inside each sequence of a concatenated batch, per head of n channels (spec/architectures.md §5.1):
    /// y_t = S_{t−1}·r_t + v_t·Σ_j r_t[j]·u[j]·k_t[j], S_t = S_{t−1}·diag(exp(logDecay_t)) + v_t·k_tᵀ. r, k, v: [N, heads·n], fp32, or bf16 on
    /// devices that run kernels; logDecay: the same shape, fp32, without a lower bound; u: [heads, n] fp32; starts: [S+1] i32, the first row
    /// of each sequence and N; sequences may be empty. States are fp32 [head, value, key]: <paramref name="initial"/> is null for zeros,
    /// [heads, n, n] for all sequences or [S, heads, n, n]; <paramref name="final"/> is [S, heads, n, n]. Backward reaches all of them, from y and from final.
    /// </summary>
    public static Tensor Wkv6(Tensor r, Tensor logDecay, Tensor k, Tensor v, Tensor u, Tensor starts, int heads, Tensor? initial, out Tensor final)
    {
        Tensor y = Wkv6Node.Run(r, logDecay, k, v, u, starts, heads, initial, wantsFinal: true, out Tensor? last);
        final = last!;
        return y;
    }
}

/// <summary>RWKV-6's operator: checks, reference, and what its tape node keeps. The bodies are in the files beside.</summary>
internal sealed partial class Wkv6Node : Node
{
    /// <summary>Tokens from one kept state to the next: backward computes what lies between them again.</summary>
    public const int ChunkTokens = 16;

    private Wkv6Inputs _inputs;
    private Tensor _states = null!;
    private Tensor? _initial;

    public static Tensor Run(Tensor r, Tensor logDecay, Tensor k, Tensor v, Tensor u, Tensor starts, int heads, Tensor? initial, bool wantsFinal, out Tensor? final)
    {
        var inputs = new Wkv6Inputs(r, logDecay, k, v, u, starts, heads);
        CheckInputs(inputs, initial, out Shape states);
        Tape tape = r.Tape!;
        bool tracks = tape.Tracks(r, logDecay, k) || tape.Tracks(v, u, initial);
        Tensor y = tape.NewActivation(r.Shape);
        final = wantsFinal ? tape.New(states) : null;
        Tensor? kept = Forward(inputs, initial, y, final, tracks);
        if (tracks)
        {
            var node = tape.Rent<Wkv6Node>();
            node._inputs = new Wkv6Inputs(node.Save(r), node.Save(logDecay), node.Save(k), node.Save(v), u, node.Save(starts), heads);
            (node._states, node._initial) = (node.Save(kept!), initial);
            if (final is null)
                tape.Record(node, y);
            else
                tape.Record(node, y, final);
        }
        return y;
    }

    /// <summary>y and the last states, in double.</summary>
    public static NdArray Reference(NdArray r, NdArray logDecay, NdArray k, NdArray v, NdArray u, int[] starts, int heads, NdArray? initial, out NdArray final)
    {
        int n = r.Shape.Last / heads, sequences = starts.Length - 1, size = n * n;
        var y = new NdArray(r.Shape);
        final = new NdArray(new Shape(sequences, heads, n, n));
        for (int s = 0; s < sequences; s++)
        {
            for (int h = 0; h < heads; h++)
            {
                Span<double> state = final.Values.AsSpan((s * heads + h) * size, size);
                initial?.Values.AsSpan((initial.Shape.Rank == 4 ? s * heads + h : h) * size, size).CopyTo(state);
                for (int t = starts[s]; t < starts[s + 1]; t++)
                {
                    for (int i = 0; i < n; i++)
                    {
                        for (int j = 0; j < n; j++)
                        {
                            int c = h * n + j;
                            double now = v[t, h * n + i] * k[t, c];
                            y[t, h * n + i] += (state[i * n + j] + u.Values[c] * now) * r[t, c];
                            state[i * n + j] = state[i * n + j] * Math.Exp(logDecay[t, c]) + now;
                        }
                    }
                }
            }
        }
        return y;
    }

    protected internal override void Backward(Tensor grad)
    {
        if (grad.Device is KernelDevice gpu)
            BackwardOn(gpu, grad);
        else
            BackwardOnCpu(grad);
    }

    /// <summary>Computes y and final; returns the states that backward starts from, when they are to be kept.</summary>
    private static Tensor? Forward(in Wkv6Inputs inputs, Tensor? initial, Tensor y, Tensor? final, bool keeps) =>
        y.Device is KernelDevice gpu ? ForwardOn(gpu, inputs, initial, y, final, keeps) : ForwardOnCpu(inputs, initial, y, final, keeps);

    private static void CheckInputs(in Wkv6Inputs inputs, Tensor? initial, out Shape states)
    {
        Tensor r = inputs.R, u = inputs.U, starts = inputs.Starts;
        int heads = inputs.Heads, rows = r.Shape.Rows;
        Check.Activation("wkv6", r, "r");
        Check.True("wkv6", heads > 0 && r.Shape.Rank == 2 && r.Shape.Last % heads == 0, $"{heads} heads do not divide the channels of r ({r}).");
        Check.Type("wkv6", inputs.L, "logDecay", DType.F32);
        Check.Is("wkv6", inputs.L, "logDecay", r.Shape);
        Check.Type("wkv6", inputs.K, "k", r.DType);
        Check.Is("wkv6", inputs.K, "k", r.Shape);
        Check.Type("wkv6", inputs.V, "v", r.DType);
        Check.Is("wkv6", inputs.V, "v", r.Shape);
        int n = inputs.N;
        Check.Type("wkv6", u, "u", DType.F32);
        Check.Is("wkv6", u, "u", new Shape(heads, n));
        Check.Starts("wkv6", starts, rows);
        states = new Shape(inputs.Sequences, heads, n, n);
        if (initial is null)
            return;
        Shape one = new(heads, n, n);
        Check.Type("wkv6", initial, "initial", DType.F32);
        Check.True("wkv6", initial.Shape == one || initial.Shape == states, $"initial is {initial}, shape {one} or {states} is needed.");
    }
}

/// <summary>The inputs that forward and backward read; L is logDecay.</summary>
internal readonly record struct Wkv6Inputs(Tensor R, Tensor L, Tensor K, Tensor V, Tensor U, Tensor Starts, int Heads)
{
    public int Sequences => Starts.Shape.Elements - 1;

    public int Tokens => R.Shape.Rows;

    public int Channels => R.Shape.Last;

    /// <summary>Channels of a head.</summary>
    public int N => Channels / Heads;
}
