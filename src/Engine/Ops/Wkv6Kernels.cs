using System.Numerics;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>
/// The devices' kernels. Between the tokens of a chunk everything goes through products of the decays between two tokens, which are made by
/// multiplying along; nothing is divided and no difference taken, so that decays of any size keep their slopes. Tokens that a chunk lacks
/// count as zeros that let the state pass.
/// </summary>
internal sealed partial class Wkv6Node
{
    private const int StateRows = 16;

    // A lane takes one key of 16 rows of a head's state, or of its gradient when reversed, S·diag(w) + outer·innerᵀ for one token after the other, and leaves it before each chunk.
    [Kernel(Lanes = 64)]
    private static void StatesKernel<TInner, TOuter>(View<float> l, View<TInner> inner, View<TOuter> outer, View<int> starts, View<float> begin, View<float> states, View<float> end,
        int heads, int n, bool begins, bool eachBegins, bool ends, bool keeps, bool adds, bool reversed) where TInner : unmanaged where TOuter : unmanaged
    {
        int s = Gpu.Group / heads, head = Gpu.Group % heads, top = Gpu.GroupY * StateRows, key = Gpu.GroupZ * Gpu.Lanes + Gpu.Lane, channels = heads * n;
        int start = starts[s], tokens = starts[s + 1] - start, chunks = (tokens + ChunkTokens - 1) / ChunkTokens;
        Shared<float> rows = Gpu.Shared<float>(ChunkTokens * StateRows);
        Private<Vector4> state = Gpu.Private<Vector4>(StateRows / 4);
        if (begins && key < n)
        {
            View<float> from = begin.At(StateAt(eachBegins ? s : 0, heads, head, n));
            for (int q = 0; q < StateRows / 4; q++)
                state[q] = LoadRows(from, top + 4 * q, key, n);
        }
        for (int c = 0; c < chunks; c++)
        {
            int chunk = reversed ? chunks - 1 - c : c, first = start + chunk * ChunkTokens, count = Math.Min(ChunkTokens, start + tokens - first);
            Gpu.Barrier();
            for (int x = Gpu.Lane; x < ChunkTokens * StateRows; x += Gpu.Lanes)
            {
                int t = x / StateRows, row = top + x % StateRows;
                rows[x] = t < count && row < n ? outer.At((long)(first + (reversed ? count - 1 - t : t)) * channels).Load(head * n + row) : 0f;
            }
            Gpu.Barrier();
            if (key < n)
            {
                if (keeps)
                {
                    View<float> to = states.At(StateAt(start / ChunkTokens + s + chunk, heads, head, n));
                    for (int q = 0; q < StateRows / 4; q++)
                        StoreRows(to, top + 4 * q, key, n, state[q], false);
                }
                for (int t = 0; t < count; t++)
                {
                    long at = (long)(first + (reversed ? count - 1 - t : t)) * channels;
                    float w = MathF.Exp(l.At(at).Load(head * n + key)), x = inner.At(at).Load(head * n + key);
                    for (int q = 0; q < StateRows / 4; q++)
                        state[q] = state[q] * w + rows.Load4(t * StateRows + 4 * q) * x;
                }
            }
        }
        if (ends && key < n)
        {
            View<float> to = end.At(StateAt(s, heads, head, n));
            for (int q = 0; q < StateRows / 4; q++)
                StoreRows(to, top + 4 * q, key, n, state[q], adds);
        }
    }

    // A group takes one head of one chunk: y_t = S·r̃_t + Σ_{s≤t} A[s, t]·v_s.
    [Kernel(Lanes = 64)]
    private static void OutputKernel<T, TY>(View<T> r, View<float> l, View<T> k, View<T> v, View<float> u, View<int> starts, View<float> states, View<TY> y,
        int sequences, int heads, int width, [Const(64)] int room) where T : unmanaged where TY : unmanaged
    {
        int slot = Gpu.Group / heads, head = Gpu.Group % heads, s = AttentionNode.SequenceOf(starts, sequences, slot, ChunkTokens), channels = heads * width;
        int first = starts[s] + (slot - starts[s] / ChunkTokens - s) * ChunkTokens, count = Math.Min(ChunkTokens, starts[s + 1] - first);
        Shared<float> rs = Gpu.Shared<float>(ChunkTokens * room);
        Shared<float> ws = Gpu.Shared<float>(ChunkTokens * room);
        Shared<float> ks = Gpu.Shared<float>(ChunkTokens * room);
        Shared<float> parts = Gpu.Shared<float>(Gpu.Lanes * (ChunkTokens + 1));
        Shared<float> scores = Gpu.Shared<float>(ChunkTokens * ChunkTokens);
        FillTokens(rs, ws, ks, r, l, k, first, count, channels, head * width, width);
        Gpu.Barrier();
        PartScores(parts, rs, ws, ks, u.At(head * width), width);
        Gpu.Barrier();
        AddScores(scores, parts);
        // Each lane goes through the keys that are its own; r̃ lies where k was, with the tokens side by side.
        for (int j = Gpu.Lane; j < width; j += Gpu.Lanes)
        {
            float past = 1f;
            for (int t = 0; t < ChunkTokens; t++)
            {
                ks[j * ChunkTokens + t] = rs[t * width + j] * past;
                past *= ws[t * width + j];
            }
        }
        Gpu.Barrier();
        Private<Vector4> sums = Gpu.Private<Vector4>(ChunkTokens / 4);
        for (int i = Gpu.Lane; i < width; i += Gpu.Lanes)
        {
            View<float> row = states.At(StateAt(slot, heads, head, width) + i * width);
            for (int q = 0; q < ChunkTokens / 4; q++)
                sums[q] = Vector4.Zero;
            AddProducts(sums, row, ks, width);
            for (int t = 0; t < count; t++)
            {
                float value = v.At((long)(first + t) * channels).Load(head * width + i);
                for (int q = 0; q < ChunkTokens / 4; q++)
                    sums[q] += scores.Load4(t * ChunkTokens + 4 * q) * value;
            }
            for (int t = 0; t < ChunkTokens; t++)
            {
                if (t < count)
                    y.At((long)(first + t) * channels).Store(head * width + i, Part(sums[t / 4], t % 4));
            }
        }
    }

    // A group takes one head of one chunk; with S before and G behind it, X_t = Sᵀ·dy_t, Z_t = Gᵀ·v_t, Q = Σ_i G∘S and B[s, t] = v_s·dy_t say all that the rows of the state have to say to a key.
    [Kernel(Lanes = 64)]
    private static void GradientsKernel<T, TDy, TDv, TDr, TDk>(View<T> r, View<float> l, View<T> k, View<T> v, View<float> u, View<TDy> dy, View<int> starts, View<float> states, View<float> gradients,
        View<TDv> dv, View<TDr> dr, View<TDk> dk, View<float> dl, View<float> bonus, int sequences, int heads, int width, int wants, int adds, [Const(64)] int room)
        where T : unmanaged where TDy : unmanaged where TDv : unmanaged where TDr : unmanaged where TDk : unmanaged
    {
        int slot = Gpu.Group / heads, head = Gpu.Group % heads, s = AttentionNode.SequenceOf(starts, sequences, slot, ChunkTokens), channels = heads * width;
        int first = starts[s] + (slot - starts[s] / ChunkTokens - s) * ChunkTokens, count = Math.Min(ChunkTokens, starts[s + 1] - first);
        Shared<float> rs = Gpu.Shared<float>(ChunkTokens * room);
        Shared<float> ws = Gpu.Shared<float>(ChunkTokens * room);
        Shared<float> ks = Gpu.Shared<float>(ChunkTokens * room);
        Shared<float> vs = Gpu.Shared<float>(ChunkTokens * room);
        Shared<float> ds = Gpu.Shared<float>(ChunkTokens * room);
        Shared<float> parts = Gpu.Shared<float>(Gpu.Lanes * (ChunkTokens + 1));
        Shared<float> scores = Gpu.Shared<float>(ChunkTokens * ChunkTokens);
        Shared<float> slopes = Gpu.Shared<float>(ChunkTokens * ChunkTokens);
        FillTokens(rs, ws, ks, r, l, k, first, count, channels, head * width, width);
        for (int x = Gpu.Lane; x < ChunkTokens * width; x += Gpu.Lanes)
        {
            int i = x / ChunkTokens, t = x % ChunkTokens;
            long at = (long)(first + t) * channels + head * width;
            vs[x] = t < count ? v.At(at).Load(i) : 0f;
            ds[x] = t < count ? dy.At(at).Load(i) : 0f;
        }
        Gpu.Barrier();
        PartScores(parts, rs, ws, ks, u.At(head * width), width);
        for (int x = Gpu.Lane; x < ChunkTokens * ChunkTokens; x += Gpu.Lanes)
        {
            float sum = 0;
            for (int i = 0; i < width; i++)
                sum += vs[i * ChunkTokens + x / ChunkTokens] * ds[i * ChunkTokens + x % ChunkTokens];
            slopes[x] = sum;
        }
        Gpu.Barrier();
        AddScores(scores, parts);
        // k̃, with the tokens side by side, lies where r was.
        for (int j = Gpu.Lane; j < width; j += Gpu.Lanes)
        {
            float past = 1f;
            for (int t = ChunkTokens - 1; t >= 0; t--)
            {
                rs[j * ChunkTokens + t] = ks[t * width + j] * past;
                past *= ws[t * width + j];
            }
        }
        Gpu.Barrier();
        if ((wants & WantsV) != 0)
        {
            Private<Vector4> sums = Gpu.Private<Vector4>(ChunkTokens / 4);
            for (int i = Gpu.Lane; i < width; i += Gpu.Lanes)
            {
                for (int q = 0; q < ChunkTokens / 4; q++)
                    sums[q] = Vector4.Zero;
                AddProducts(sums, gradients.At(StateAt(slot, heads, head, width) + i * width), rs, width);
                for (int t = 0; t < ChunkTokens; t++)
                {
                    float sum = Part(sums[t / 4], t % 4);
                    for (int q = 0; q < ChunkTokens / 4; q++)
                        sum += Quads.Dot(scores.Load4(t * ChunkTokens + 4 * q), ds.Load4(i * ChunkTokens + 4 * q));
                    if (t < count)
                        Put(dv.At((long)(first + t) * channels), head * width + i, sum, (adds & WantsV) != 0);
                }
            }
        }
        Gpu.Barrier();
        if ((wants & ~WantsV) == 0)
            return;
        for (int j = Gpu.Lane; j < width; j += Gpu.Lanes)
        {
            long corner = StateAt(slot, heads, head, width) + j;
            Private<Vector4> xs = Gpu.Private<Vector4>(ChunkTokens / 4), zs = Gpu.Private<Vector4>(ChunkTokens / 4);
            float both = 0;
            for (int i = 0; i < width; i++)
            {
                float p = states.At(corner).Load(i * width), g = gradients.At(corner).Load(i * width);
                both += p * g;
                for (int q = 0; q < ChunkTokens / 4; q++)
                {
                    xs[q] += ds.Load4(i * ChunkTokens + 4 * q) * p;
                    zs[q] += vs.Load4(i * ChunkTokens + 4 * q) * g;
                }
            }
            KeyGradients(xs, zs, both, rs.At(j), ws.At(j), ks.At(j), slopes, r, dr, dk, dl, bonus.At((long)slot * channels), u.Load(head * width + j),
                first, count, channels, head * width + j, width, wants, adds);
        }
    }

    // All that is left for one key. B[s, t] lies at slopes[16·s + t]; spare: room for 16 values of this lane.
    private static void KeyGradients<T, TDr, TDk>(Private<Vector4> xs, Private<Vector4> zs, float both, Shared<float> spare, Shared<float> ws, Shared<float> ks, Shared<float> slopes,
        View<T> r, View<TDr> dr, View<TDk> dk, View<float> dl, View<float> bonus, float u, int first, int count, int channels, int channel, int width, int wants, int adds)
        where T : unmanaged where TDr : unmanaged where TDk : unmanaged
    {
        Private<float> rs = Gpu.Private<float>(ChunkTokens), toR = Gpu.Private<float>(ChunkTokens), toDecay = Gpu.Private<float>(ChunkTokens), later = Gpu.Private<float>(ChunkTokens);
        // From behind: what G says to each k, and Σ over later tokens of r·X.
        float past = 1f, sum = 0f, toU = 0f;
        for (int n = 0; n < ChunkTokens; n++)
        {
            int t = ChunkTokens - 1 - n;
            float w = ws[t * width], slope = slopes[t * ChunkTokens + t], x = t < count ? r.At((long)(first + t) * channels).Load(channel) : 0f;
            rs[t] = x;
            toU += x * ks[t * width] * slope;
            spare[t * width] = past * Part(zs[t / 4], t % 4) + u * x * slope;
            toDecay[t] = sum;
            later[t] = past;
            sum = sum * w + x * Part(xs[t / 4], t % 4);
            past *= w;
        }
        // From the front: what S says to each r, and Σ over earlier tokens of k·Z.
        past = 1f;
        sum = 0f;
        for (int t = 0; t < ChunkTokens; t++)
        {
            float w = ws[t * width], key = ks[t * width];
            toR[t] = past * Part(xs[t / 4], t % 4) + u * key * slopes[t * ChunkTokens + t];
            toDecay[t] = past * toDecay[t] + later[t] * (past * both + sum);
            sum = sum * w + key * Part(zs[t / 4], t % 4);
            past *= w;
        }
        // Each pair of tokens.
        for (int s = 0; s < count; s++)
        {
            sum = 0f;
            for (int n = 0; n < ChunkTokens; n++)
            {
                int t = ChunkTokens - 1 - n;
                if (t > s)
                {
                    later[t] = sum;
                    sum = sum * ws[t * width] + rs[t] * slopes[s * ChunkTokens + t];
                }
            }
            if ((wants & WantsK) != 0)
                Put(dk.At((long)(first + s) * channels), channel, spare[s * width] + sum, (adds & WantsK) != 0);
            float key = ks[s * width];
            for (int t = 0; t < ChunkTokens; t++)
            {
                if (t > s)
                {
                    toR[t] += key * slopes[s * ChunkTokens + t];
                    toDecay[t] += key * later[t];
                    key *= ws[t * width];
                }
            }
        }
        for (int t = 0; t < ChunkTokens; t++)
        {
            if (t < count && (wants & WantsR) != 0)
                Put(dr.At((long)(first + t) * channels), channel, toR[t], (adds & WantsR) != 0);
            if (t < count && (wants & WantsL) != 0)
                Put(dl.At((long)(first + t) * channels), channel, toDecay[t] * ws[t * width], (adds & WantsL) != 0);
        }
        if ((wants & WantsU) != 0)
            bonus.Store(channel, toU);
    }

    // r, exp(logDecay) and k of a chunk, [16, width]; tokens that are not there are zeros with a decay of one.
    private static void FillTokens<T>(Shared<float> rs, Shared<float> ws, Shared<float> ks, View<T> r, View<float> l, View<T> k, int first, int count, int channels, int channel, int width) where T : unmanaged
    {
        for (int x = Gpu.Lane; x < ChunkTokens * width; x += Gpu.Lanes)
        {
            int t = x / width;
            long at = (long)(first + t) * channels + channel;
            bool isThere = t < count;
            rs[x] = isThere ? r.At(at).Load(x % width) : 0f;
            ws[x] = isThere ? MathF.Exp(l.At(at).Load(x % width)) : 1f;
            ks[x] = isThere ? k.At(at).Load(x % width) : 0f;
        }
    }

    // A[s, t] = Σ_j k_s·(decays between)·r_t, on the diagonal Σ_j k·u·r, below it nothing; a lane takes one s and some of the keys.
    private static void PartScores(Shared<float> parts, Shared<float> rs, Shared<float> ws, Shared<float> ks, View<float> u, int width)
    {
        int s = Gpu.Lane % ChunkTokens;
        Private<float> sums = Gpu.Private<float>(ChunkTokens);
        for (int j = Gpu.Lane / ChunkTokens; j < width; j += Gpu.Lanes / ChunkTokens)
        {
            float key = ks[s * width + j], own = key * u.Load(j);
            for (int t = 0; t < ChunkTokens; t++)
            {
                if (t == s)
                    sums[t] += own * rs[t * width + j];
                if (t > s)
                {
                    sums[t] += key * rs[t * width + j];
                    key *= ws[t * width + j];
                }
            }
        }
        for (int t = 0; t < ChunkTokens; t++)
            parts[Gpu.Lane * (ChunkTokens + 1) + t] = sums[t];
    }

    private static void AddScores(Shared<float> scores, Shared<float> parts)
    {
        for (int x = Gpu.Lane; x < ChunkTokens * ChunkTokens; x += Gpu.Lanes)
        {
            float sum = 0;
            for (int part = x / ChunkTokens; part < Gpu.Lanes; part += ChunkTokens)
                sum += parts[part * (ChunkTokens + 1) + x % ChunkTokens];
            scores[x] = sum;
        }
    }

    // sums[t] += Σ_j row[j]·tokens[j, t]
    private static void AddProducts(Private<Vector4> sums, View<float> row, Shared<float> tokens, int width)
    {
        for (int j = 0; j < width; j++)
        {
            float x = row[j];
            for (int q = 0; q < ChunkTokens / 4; q++)
                sums[q] += tokens.Load4(j * ChunkTokens + 4 * q) * x;
        }
    }

    private static float Part(Vector4 v, int i) => i == 0 ? v.X : i == 1 ? v.Y : i == 2 ? v.Z : v.W;

    private static long StateAt(int index, int heads, int head, int n) => ((long)index * heads + head) * n * n;

    private static void Put<T>(View<T> to, int i, float value, bool adds) where T : unmanaged => to.Store(i, adds ? to.Load(i) + value : value);

    // Four rows of one key of a state; rows that are not there are zero.
    private static Vector4 LoadRows(View<float> state, int row, int key, int n)
    {
        Vector4 value = Vector4.Zero;
        if (row < n)
            value.X = state[row * n + key];
        if (row + 1 < n)
            value.Y = state[(row + 1) * n + key];
        if (row + 2 < n)
            value.Z = state[(row + 2) * n + key];
        if (row + 3 < n)
            value.W = state[(row + 3) * n + key];
        return value;
    }

    private static void StoreRows(View<float> state, int row, int key, int n, Vector4 value, bool adds)
    {
        if (row < n)
            Put(state, row * n + key, value.X, adds);
        if (row + 1 < n)
            Put(state, (row + 1) * n + key, value.Y, adds);
        if (row + 2 < n)
            Put(state, (row + 2) * n + key, value.Z, adds);
        if (row + 3 < n)
            Put(state, (row + 3) * n + key, value.W, adds);
    }
}
