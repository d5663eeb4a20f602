using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

public static partial class Ops
{
    /// <summary>As <see cref="Wkv7(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, int, Tensor, out Tensor)"/>, for callers that do not go on from the last state.</summary>
    public static Tensor Wkv7(Tensor r, Tensor logDecay, Tensor k, Tensor v, Tensor a, Tensor b, Tensor starts, int heads, Tensor? initial = null) =>
        Wkv7Node.Run(r, logDecay, k, v, a, b, starts, heads, initial, wantsFinal: false, out _);

    /// <summary>
    /// RWKV-7's time mixing inside each sequence of a concatenated batch, per head of n channels (spec/architectures.md §4.1, §4.5):
    /// S_t = S_{t−1}·diag(exp(logDecay_t)) + (S_{t−1}·a_t)·b_tᵀ + v_t·k_tᵀ, y_t = S_t·r_t. r, k, v, a, b: [N, heads·n], fp32, or bf16 on
    /// devices that run kernels; logDecay: the same shape, fp32; starts: [S+1] i32, the first row of each sequence and N; sequences may be empty.
    /// States are fp32 [head, value, key]: <paramref name="initial"/> is null for zeros, [heads, n, n] for all sequences or
    /// [S, heads, n, n]; <paramref name="final"/> is [S, heads, n, n]. Backward reaches all of them, from y and from final.
    /// The gradient of logDecay on devices is a difference: exact to the tensor's largest value while decays stay above 1e-7, as RWKV-7's do.
    /// </summary>
    public static Tensor Wkv7(Tensor r, Tensor logDecay, Tensor k, Tensor v, Tensor a, Tensor b, Tensor starts, int heads, Tensor? initial, out Tensor final)
    {
        Tensor y = Wkv7Node.Run(r, logDecay, k, v, a, b, starts, heads, initial, wantsFinal: true, out Tensor? last);
        final = last!;
        return y;
    }
}

/// <summary>RWKV-7's operator: checks, reference, and what its tape node keeps. The bodies are in the files beside.</summary>
internal sealed partial class Wkv7Node : Node
{
    /// <summary>
    /// Tokens from one kept state to the next: backward computes the states between them again. The states of sequence s lie from number
    /// starts[s] / ChunkTokens + s on, which leaves room for each whatever the lengths.
    /// </summary>
    public const int ChunkTokens = 16;

    private Tensor _r = null!, _l = null!, _k = null!, _v = null!, _a = null!, _b = null!, _starts = null!, _states = null!, _sa = null!;
    private Tensor? _initial;
    private int _heads;

    public static Tensor Run(Tensor r, Tensor logDecay, Tensor k, Tensor v, Tensor a, Tensor b, Tensor starts, int heads, Tensor? initial, bool wantsFinal, out Tensor? final)
    {
        Check.Activation("wkv7", r, "r");
        Check.Type("wkv7", logDecay, "logDecay", DType.F32);
        Check.Is("wkv7", logDecay, "logDecay", r.Shape);
        Like(r, k, "k");
        Like(r, v, "v");
        Like(r, a, "a");
        Like(r, b, "b");
        Check.True("wkv7", heads > 0 && r.Shape.Rank == 2 && r.Shape.Last % heads == 0, $"{heads} heads do not divide the channels of r ({r}).");
        int n = r.Shape.Last / heads, sequences = starts.Shape.Elements - 1;
        Check.Starts("wkv7", starts, r.Shape.Rows);
        Shape one = new(heads, n, n), each = new(sequences, heads, n, n);
        if (initial is not null)
        {
            Check.Type("wkv7", initial, "initial", DType.F32);
            Check.True("wkv7", initial.Shape == one || initial.Shape == each, $"initial is {initial}, shape {one} or {each} is needed.");
        }
        Tape tape = r.Tape!;
        bool tracks = tape.Tracks(r, logDecay, k) || tape.Tracks(v, a, b) || (initial is not null && tape.Tracks(initial));
        Tensor y = tape.NewActivation(r.Shape);
        final = wantsFinal ? tape.New(each) : null;
        Tensor? states = tracks ? tape.New(new Shape(r.Shape.Rows / ChunkTokens + sequences, heads, n, n)) : null, sa = tracks ? tape.New(r.Shape) : null;
        Forward(new Wkv7Inputs(r, logDecay, k, v, a, b, starts, heads), initial, y, final, states, sa);
        if (tracks)
        {
            var node = tape.Rent<Wkv7Node>();
            (node._r, node._l, node._k, node._v) = (node.Save(r), node.Save(logDecay), node.Save(k), node.Save(v));
            (node._a, node._b, node._starts) = (node.Save(a), node.Save(b), node.Save(starts));
            (node._states, node._sa, node._initial, node._heads) = (node.Save(states!), node.Save(sa!), initial, heads);
            if (final is null)
                tape.Record(node, y);
            else
                tape.Record(node, y, final);
        }
        return y;
    }

    /// <summary>y and the last states, in double.</summary>
    public static NdArray Reference(NdArray r, NdArray logDecay, NdArray k, NdArray v, NdArray a, NdArray b, int[] starts, int heads, NdArray? initial, out NdArray final)
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
                        Span<double> row = state.Slice(i * n, n);
                        double sa = 0;
                        for (int j = 0; j < n; j++)
                            sa += row[j] * a[t, h * n + j];
                        for (int j = 0; j < n; j++)
                        {
                            int c = h * n + j;
                            row[j] = row[j] * Math.Exp(logDecay[t, c]) + sa * b[t, c] + v[t, h * n + i] * k[t, c];
                            y[t, h * n + i] += row[j] * r[t, c];
                        }
                    }
                }
            }
        }
        return y;
    }

    protected internal override void Backward(Tensor grad)
    {
        var inputs = new Wkv7Inputs(_r, _l, _k, _v, _a, _b, _starts, _heads);
        if (grad.Device is KernelDevice gpu)
            BackwardOn(gpu, inputs, grad);
        else
            BackwardOnCpu(inputs, grad);
    }

    private static void Forward(in Wkv7Inputs inputs, Tensor? initial, Tensor y, Tensor? final, Tensor? states, Tensor? sa)
    {
        if (y.Device is KernelDevice gpu)
            ForwardOn(gpu, inputs, initial, y, final, states, sa);
        else
            ForwardOnCpu(inputs, initial, y, final, states, sa);
    }

    private static void Like(Tensor r, Tensor x, string name)
    {
        Check.Type("wkv7", x, name, r.DType);
        Check.Is("wkv7", x, name, r.Shape);
    }

    private static int ChunksOf(int tokens) => (tokens + ChunkTokens - 1) / ChunkTokens;
}

/// <summary>The inputs that forward and backward read.</summary>
internal readonly record struct Wkv7Inputs(Tensor R, Tensor L, Tensor K, Tensor V, Tensor A, Tensor B, Tensor Starts, int Heads)
{
    public int Sequences => Starts.Shape.Elements - 1;

    public int Tokens => R.Shape.Rows;

    public int Channels => R.Shape.Last;

    /// <summary>Channels of a head.</summary>
    public int N => Channels / Heads;
}
