using System.Numerics;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>
/// The devices' kernels: a group takes one head of one sequence, a lane one row of its state, held in registers, while tokens pass by in shared memory.
/// Backward goes twice over the tokens. First with rows: the gradient of the state needs no state, and gives dv, S_{t−1}·a's gradient and the first state's.
/// Then with columns, so that all sums over rows stay within a lane: each chunk runs forward from its kept state (dr, da) and then back (dk, db),
/// and logDecay's gradient comes from Σ_i G·S before and behind a token, which differ by what the token's other gradients say (§4.7), not from a state
/// that would have to be kept or divided back to.
/// </summary>
internal sealed partial class Wkv7Node
{
    private const int StagedTokens = 8;

    // Below this decay, what is left of the difference is rounding: the gradient is smaller than that.
    private const float LeastDecay = 1e-7f;

    private const int WantsR = 1, WantsA = 2, WantsK = 4, WantsB = 8, WantsL = 16;

    private static readonly Kernel ForwardRows = Kernel.Of(typeof(Wkv7Node), nameof(ForwardKernel)),
        BackwardRows = Kernel.Of(typeof(Wkv7Node), nameof(RowsKernel)), BackwardColumns = Kernel.Of(typeof(Wkv7Node), nameof(ColumnsKernel));

    private static void ForwardOn(KernelDevice gpu, in Wkv7Inputs inputs, Tensor? initial, Tensor y, Tensor? final, Tensor? states, Tensor? sa)
    {
        int n = inputs.N, bytes = sizeof(float) * 6 * ChunkTokens * ((n + 3) / 4 * 4);
        Check.True("wkv7", bytes <= gpu.Capabilities.SharedBytes && Lanes(n) <= gpu.Capabilities.MaxLanes, $"heads of {n} channels are too wide for {gpu.Name}; the CPU has no limit.");
        gpu.Launch(ForwardRows, Groups(inputs), inputs.R, inputs.L, inputs.K, inputs.V, inputs.A, inputs.B, inputs.Starts, initial ?? inputs.L, y, final ?? inputs.L,
            states ?? inputs.L, sa ?? inputs.L, inputs.Heads, initial is not null, initial?.Shape.Rank == 4, final is not null, states is not null, n);
    }

    private void BackwardOn(KernelDevice gpu, in Wkv7Inputs inputs, Tensor dy)
    {
        // In the order in which the kernels write: where one tensor is several inputs, each adds to what those before it wrote.
        int n = inputs.N, wants = 0, adds = 0;
        Tensor? dv = GradOf(_v, out bool addsToV);
        Tensor? Slot(Tensor input, int bit)
        {
            Tensor? gradient = GradOf(input, out bool more);
            wants |= gradient is null ? 0 : bit;
            adds |= more ? bit : 0;
            return gradient;
        }
        Tensor? dr = Slot(_r, WantsR), da = Slot(_a, WantsA), dk = Slot(_k, WantsK), db = Slot(_b, WantsB), dl = Slot(_l, WantsL);
        bool addsToInitial = false;
        Tensor? initial = _initial is null ? null : GradOf(_initial, out addsToInitial), dfinal = Second?.Grad;
        Tensor? shared = initial?.Shape.Rank == 3 ? Tape.New(new Shape(inputs.Sequences, initial.Shape.Elements)) : null, ds = wants != 0 ? Tape.New(_sa.Shape) : null;
        gpu.Launch(BackwardRows, Groups(inputs), inputs.R, inputs.L, inputs.K, inputs.A, inputs.B, inputs.Starts, dy, dfinal ?? inputs.L, dv ?? inputs.V, ds ?? inputs.L, shared ?? initial ?? inputs.L,
            inputs.Heads, dfinal is not null, dv is not null, addsToV, ds is not null, initial is not null, addsToInitial && shared is null, n);
        if (shared is not null)
            ColumnSums.Finish(gpu, shared, initial!, addsToInitial);
        if (wants != 0)
        {
            gpu.Launch(BackwardColumns, Groups(inputs), inputs.R, inputs.L, inputs.K, inputs.V, inputs.A, inputs.B, inputs.Starts, dy, dfinal ?? inputs.L, _states, _sa, ds!,
                dr ?? inputs.R, dl ?? inputs.L, dk ?? inputs.K, da ?? inputs.A, db ?? inputs.B, inputs.Heads, dfinal is not null, wants, adds, n);
        }
    }

    private static int Lanes(int n) => (n + 31) / 32 * 32;

    private static Grid Groups(in Wkv7Inputs inputs) => new(Lanes(inputs.N), inputs.Sequences * inputs.Heads);

    [Kernel]
    private static void ForwardKernel<T, TY>(View<T> r, View<float> l, View<T> k, View<T> v, View<T> a, View<T> b, View<int> starts, View<float> initial, View<TY> y, View<float> final,
        View<float> states, View<float> sas, int heads, bool begins, bool eachBegins, bool ends, bool keeps, [Const(64)] int n) where T : unmanaged where TY : unmanaged
    {
        int s = Gpu.Group / heads, head = Gpu.Group % heads, row = Gpu.Lane, channels = heads * n, quads = (n + 3) / 4, width = 4 * quads, size = 6 * width;
        Shared<float> tokens = Gpu.Shared<float>(StagedTokens * size);
        Private<Vector4> state = Gpu.Private<Vector4>(quads);
        int first = starts[s], end = starts[s + 1];
        if (begins && row < n)
            LoadRow(state, initial.At(StateOf(eachBegins ? s : 0, heads, head, n) + row * n), n);
        for (int from = first; from < end; from += StagedTokens)
        {
            int count = Math.Min(StagedTokens, end - from);
            Gpu.Barrier();
            for (int t = 0; t < count; t++)
            {
                long at = (long)(from + t) * channels + head * n;
                StageToken(tokens.At(t * size), r.At(at), l.At(at), k.At(at), a.At(at), b.At(at), width, n);
                StageRow(tokens.At(t * size + 5 * width), v.At(at), width, n);
            }
            Gpu.Barrier();
            for (int t = 0; t < count; t++)
            {
                Shared<float> token = tokens.At(t * size);
                if (keeps && row < n && (from + t - first) % ChunkTokens == 0)
                    StoreRow(states.At(StateOf(first / ChunkTokens + s + (from + t - first) / ChunkTokens, heads, head, n) + row * n), state, n, false);
                Vector4 dot = Vector4.Zero, sum = Vector4.Zero;
                for (int q = 0; q < quads; q++)
                    dot += state[q] * token.Load4(3 * width + 4 * q);
                float sa = dot.X + dot.Y + (dot.Z + dot.W), value = row < n ? token[5 * width + row] : 0;
                for (int q = 0; q < quads; q++)
                {
                    Vector4 next = state[q] * token.Load4(width + 4 * q) + token.Load4(2 * width + 4 * q) * value + token.Load4(4 * width + 4 * q) * sa;
                    state[q] = next;
                    sum += next * token.Load4(4 * q);
                }
                if (row < n)
                {
                    y.At((long)(from + t) * channels).Store(head * n + row, sum.X + sum.Y + (sum.Z + sum.W));
                    if (keeps)
                        sas.At((long)(from + t) * channels).Store(head * n + row, sa);
                }
            }
        }
        if (ends && row < n)
            StoreRow(final.At(StateOf(s, heads, head, n) + row * n), state, n, false);
    }

    // A lane's row of G, from the last token to the first.
    [Kernel]
    private static void RowsKernel<T, TY, TV>(View<T> r, View<float> l, View<T> k, View<T> a, View<T> b, View<int> starts, View<TY> dy, View<float> dfinal, View<TV> dv, View<float> dsa, View<float> dinitial,
        int heads, bool ends, bool wantsV, bool addsToV, bool wantsSa, bool wantsInitial, bool addsToInitial, [Const(64)] int n) where T : unmanaged where TY : unmanaged where TV : unmanaged
    {
        int s = Gpu.Group / heads, head = Gpu.Group % heads, row = Gpu.Lane, channels = heads * n, quads = (n + 3) / 4, width = 4 * quads, size = 6 * width;
        Shared<float> tokens = Gpu.Shared<float>(StagedTokens * size);
        Private<Vector4> g = Gpu.Private<Vector4>(quads);
        int first = starts[s];
        if (ends && row < n)
            LoadRow(g, dfinal.At(StateOf(s, heads, head, n) + row * n), n);
        for (int end = starts[s + 1]; end > first; end -= StagedTokens)
        {
            int from = Math.Max(first, end - StagedTokens);
            Gpu.Barrier();
            for (int t = from; t < end; t++)
            {
                long at = (long)t * channels + head * n;
                StageToken(tokens.At((t - from) * size), r.At(at), l.At(at), k.At(at), a.At(at), b.At(at), width, n);
                StageRow(tokens.At((t - from) * size + 5 * width), dy.At(at), width, n);
            }
            Gpu.Barrier();
            for (int t = end - 1; t >= from; t--)
            {
                Shared<float> token = tokens.At((t - from) * size);
                float up = row < n ? token[5 * width + row] : 0;
                Vector4 value = Vector4.Zero, back = Vector4.Zero;
                for (int q = 0; q < quads; q++)
                {
                    Vector4 now = g[q] + token.Load4(4 * q) * up;
                    g[q] = now;
                    value += now * token.Load4(2 * width + 4 * q);
                    back += now * token.Load4(4 * width + 4 * q);
                }
                float ds = back.X + back.Y + (back.Z + back.W);
                for (int q = 0; q < quads; q++)
                    g[q] = g[q] * token.Load4(width + 4 * q) + token.Load4(3 * width + 4 * q) * ds;
                if (row < n)
                {
                    if (wantsV)
                        Put(dv.At((long)t * channels), head * n + row, value.X + value.Y + (value.Z + value.W), addsToV);
                    if (wantsSa)
                        dsa.At((long)t * channels).Store(head * n + row, ds);
                }
            }
        }
        if (wantsInitial && row < n)
            StoreRow(dinitial.At(StateOf(s, heads, head, n) + row * n), g, n, addsToInitial);
    }

    // A lane's column of S and of G, a chunk forward and back, from the last to the first.
    [Kernel]
    private static void ColumnsKernel<T, TY>(View<T> r, View<float> l, View<T> k, View<T> v, View<T> a, View<T> b, View<int> starts, View<TY> dy, View<float> dfinal, View<float> states, View<float> sas, View<float> dsa,
        View<T> dr, View<float> dl, View<T> dk, View<T> da, View<T> db, int heads, bool ends, int wants, int adds, [Const(64)] int n) where T : unmanaged where TY : unmanaged
    {
        int s = Gpu.Group / heads, head = Gpu.Group % heads, column = Gpu.Lane, channels = heads * n, quads = (n + 3) / 4, width = 4 * quads, size = 6 * width;
        Shared<float> tokens = Gpu.Shared<float>(ChunkTokens * size);
        Private<Vector4> state = Gpu.Private<Vector4>(quads), g = Gpu.Private<Vector4>(quads);
        int first = starts[s], end = starts[s + 1];
        if (ends && column < n)
            LoadColumn(g, dfinal.At(StateOf(s, heads, head, n) + column), n);
        for (int chunk = (end - first + ChunkTokens - 1) / ChunkTokens - 1; chunk >= 0; chunk--)
        {
            int from = first + chunk * ChunkTokens, count = Math.Min(ChunkTokens, end - from);
            Gpu.Barrier();
            for (int t = 0; t < count; t++)
            {
                long at = (long)(from + t) * channels + head * n;
                StageRow(tokens.At(t * size), v.At(at), width, n);
                StageRow(tokens.At(t * size + width), dy.At(at), width, n);
                StageRow(tokens.At(t * size + 2 * width), sas.At(at), width, n);
                StageRow(tokens.At(t * size + 3 * width), dsa.At(at), width, n);
            }
            if (column < n)
                LoadColumn(state, states.At(StateOf(first / ChunkTokens + s + chunk, heads, head, n) + column), n);
            Gpu.Barrier();
            if (column < n)
            {
                // What the next token has for this column is under way while one is computed.
                long at = (long)from * channels + head * n + column;
                float w = MathF.Exp(l[at]), kt = k.At(at).Load(0), bt = b.At(at).Load(0);
                for (int t = 0; t < count; t++)
                {
                    Shared<float> token = tokens.At(t * size);
                    long next = t + 1 < count ? at + channels : at;
                    float nextW = l[next], nextK = k.At(next).Load(0), nextB = b.At(next).Load(0);
                    Vector4 before = Vector4.Zero, after = Vector4.Zero;
                    for (int q = 0; q < quads; q++)
                    {
                        Vector4 p = state[q];
                        before += p * token.Load4(3 * width + 4 * q);
                        p = p * w + token.Load4(4 * q) * kt + token.Load4(2 * width + 4 * q) * bt;
                        state[q] = p;
                        after += p * token.Load4(width + 4 * q);
                    }
                    float toR = after.X + after.Y + (after.Z + after.W), toA = before.X + before.Y + (before.Z + before.W);
                    token[4 * width + column] = toR;
                    token[5 * width + column] = toA;
                    if ((wants & WantsR) != 0)
                        Put(dr.At(at), 0, toR, (adds & WantsR) != 0);
                    if ((wants & WantsA) != 0)
                        Put(da.At(at), 0, toA, (adds & WantsA) != 0);
                    at = next;
                    w = MathF.Exp(nextW);
                    kt = nextK;
                    bt = nextB;
                }
                Vector4 both = Vector4.Zero;
                for (int q = 0; q < quads; q++)
                    both += state[q] * g[q];
                float product = both.X + both.Y + (both.Z + both.W), rt = r.At(at).Load(0), removal = a.At(at).Load(0);
                for (int t = count - 1; t >= 0; t--)
                {
                    Shared<float> token = tokens.At(t * size);
                    long next = t > 0 ? at - channels : at;
                    float nextR = r.At(next).Load(0), nextW = l[next], nextK = k.At(next).Load(0), nextRemoval = a.At(next).Load(0), nextB = b.At(next).Load(0);
                    Vector4 key = Vector4.Zero, back = Vector4.Zero;
                    for (int q = 0; q < quads; q++)
                    {
                        Vector4 now = g[q] + token.Load4(width + 4 * q) * rt;
                        key += now * token.Load4(4 * q);
                        back += now * token.Load4(2 * width + 4 * q);
                        g[q] = now * w + token.Load4(3 * width + 4 * q) * removal;
                    }
                    float toK = key.X + key.Y + (key.Z + key.W), toB = back.X + back.Y + (back.Z + back.W);
                    float toL = w < LeastDecay ? 0f : product + rt * token[4 * width + column] - bt * toB - kt * toK;
                    product = toL + removal * token[5 * width + column];
                    if ((wants & WantsK) != 0)
                        Put(dk.At(at), 0, toK, (adds & WantsK) != 0);
                    if ((wants & WantsB) != 0)
                        Put(db.At(at), 0, toB, (adds & WantsB) != 0);
                    if ((wants & WantsL) != 0)
                        Put(dl.At(at), 0, toL, (adds & WantsL) != 0);
                    at = next;
                    rt = nextR;
                    w = MathF.Exp(nextW);
                    kt = nextK;
                    removal = nextRemoval;
                    bt = nextB;
                }
            }
        }
    }

    private static long StateOf(int index, int heads, int head, int n) => ((long)index * heads + head) * n * n;

    // r w k a b of one head; lanes beyond the width have nothing to do.
    private static void StageToken<T>(Shared<float> to, View<T> r, View<float> l, View<T> k, View<T> a, View<T> b, int width, int n) where T : unmanaged
    {
        StageRow(to, r, width, n);
        for (int j = Gpu.Lane; j < width; j += Gpu.Lanes)
            to[width + j] = j < n ? MathF.Exp(l.Load(j)) : 0;
        StageRow(to.At(2 * width), k, width, n);
        StageRow(to.At(3 * width), a, width, n);
        StageRow(to.At(4 * width), b, width, n);
    }

    private static void StageRow<T>(Shared<float> to, View<T> from, int width, int n) where T : unmanaged
    {
        for (int j = Gpu.Lane; j < width; j += Gpu.Lanes)
            to[j] = j < n ? from.Load(j) : 0;
    }

    private static void LoadRow(Private<Vector4> row, View<float> from, [Const(64)] int n)
    {
        for (int q = 0; q < (n + 3) / 4; q++)
            row[q] = n % 4 == 0 ? from.Load4(4 * q) : Apart(from.At(4 * q), 1, n - 4 * q);
    }

    private static void LoadColumn(Private<Vector4> column, View<float> from, [Const(64)] int n)
    {
        for (int q = 0; q < (n + 3) / 4; q++)
            column[q] = Apart(from.At(4 * q * n), n, n - 4 * q);
    }

    // Four elements a stride apart, zero behind the last.
    private static Vector4 Apart(View<float> from, int stride, int left)
    {
        Vector4 value = Vector4.Zero;
        value.X = from[0];
        if (left > 1)
            value.Y = from[stride];
        if (left > 2)
            value.Z = from[2 * stride];
        if (left > 3)
            value.W = from[3 * stride];
        return value;
    }

    private static void StoreRow(View<float> to, Private<Vector4> row, [Const(64)] int n, bool adds)
    {
        for (int q = 0; q < (n + 3) / 4; q++)
        {
            Vector4 value = row[q];
            Put(to, 4 * q, value.X, adds);
            if (4 * q + 1 < n)
                Put(to, 4 * q + 1, value.Y, adds);
            if (4 * q + 2 < n)
                Put(to, 4 * q + 2, value.Z, adds);
            if (4 * q + 3 < n)
                Put(to, 4 * q + 3, value.W, adds);
        }
    }

    private static void Put<T>(View<T> to, int at, float value, bool adds) where T : unmanaged => to.Store(at, adds ? to.Load(at) + value : value);
}
