using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;

namespace Marrow.Engine;

/// <summary>
/// The inner loops of <see cref="Wkv7Node"/> on the processor: four rows of a head's state over the tokens of one chunk. A row depends on no
/// other, so four share the loads of a token. A token is five rows of n values, r w k a b, n a multiple of the vector; behind the last
/// token of a chunk stands one with w = 1 and a = 0. Each pass over the columns of a token also does what the token before left to do.
/// </summary>
internal static unsafe class Wkv7Rows<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>
    /// Moves the rows s: [4, n] over the tokens. Per token, at t·stride: v: the rows' values, y and sa: out, S_t·r and S_{t−1}·a.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Forward(float* s, float* token, int tokens, int n, float* v, float* y, float* sa, nint stride)
    {
        float* s1 = s + n, s2 = s1 + n, s3 = s2 + n;
        V n0 = default, n1 = default, n2 = default, n3 = default;
        for (int j = 0; j < n; j += L.Width)
        {
            V a = L.Load(token + 3 * n + j);
            n0 = L.MultiplyAdd(L.Load(s + j), a, n0);
            n1 = L.MultiplyAdd(L.Load(s1 + j), a, n1);
            n2 = L.MultiplyAdd(L.Load(s2 + j), a, n2);
            n3 = L.MultiplyAdd(L.Load(s3 + j), a, n3);
        }
        for (; tokens > 0; tokens--)
        {
            LaneSums<L, V>.Four(n0, n1, n2, n3).Store(sa);
            V a0 = L.Broadcast(sa[0]), a1 = L.Broadcast(sa[1]), a2 = L.Broadcast(sa[2]), a3 = L.Broadcast(sa[3]);
            V v0 = L.Broadcast(v[0]), v1 = L.Broadcast(v[1]), v2 = L.Broadcast(v[2]), v3 = L.Broadcast(v[3]);
            V y0 = default, y1 = default, y2 = default, y3 = default;
            (n0, n1, n2, n3) = (default, default, default, default);
            for (int j = 0; j < n; j += L.Width)
            {
                float* at = token + j;
                V r = L.Load(at), w = L.Load(at + n), k = L.Load(at + 2 * n), b = L.Load(at + 4 * n), next = L.Load(at + 8 * n);
                Move(s + j, w, v0, k, a0, b, r, next, ref y0, ref n0);
                Move(s1 + j, w, v1, k, a1, b, r, next, ref y1, ref n1);
                Move(s2 + j, w, v2, k, a2, b, r, next, ref y2, ref n2);
                Move(s3 + j, w, v3, k, a3, b, r, next, ref y3, ref n3);
            }
            LaneSums<L, V>.Four(y0, y1, y2, y3).Store(y);
            token += 5 * n;
            v += stride;
            y += stride;
            sa += stride;
        }
    }

    /// <summary>The rows before and after each token, history: [tokens + 1, 4, n], from those before the first and the kept sa.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Replay(float* history, float* token, int tokens, int n, float* v, float* sa, nint stride)
    {
        for (; tokens > 0; tokens--)
        {
            V a0 = L.Broadcast(sa[0]), a1 = L.Broadcast(sa[1]), a2 = L.Broadcast(sa[2]), a3 = L.Broadcast(sa[3]);
            V v0 = L.Broadcast(v[0]), v1 = L.Broadcast(v[1]), v2 = L.Broadcast(v[2]), v3 = L.Broadcast(v[3]);
            for (int j = 0; j < n; j += L.Width)
            {
                float* p = history + j;
                V w = L.Load(token + n + j), k = L.Load(token + 2 * n + j), b = L.Load(token + 4 * n + j);
                L.Store(After(p, w, v0, k, a0, b), p + 4 * n);
                L.Store(After(p + n, w, v1, k, a1, b), p + 5 * n);
                L.Store(After(p + 2 * n, w, v2, k, a2, b), p + 6 * n);
                L.Store(After(p + 3 * n, w, v3, k, a3, b), p + 7 * n);
            }
            history += 4 * n;
            token += 5 * n;
            v += stride;
            sa += stride;
        }
    }

    /// <summary>
    /// Takes the gradient g: [4, n] of the rows after the chunk to that before it. Adds to sums, five rows of n a token as the inputs lie
    /// (w: of the decay itself), and writes dv, per token at t·stride as v, dy and sa. Without TSums only g and dv are computed.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Backward<TSums>(float* g, float* history, float* token, float* sum, int tokens, int n, float* v, float* dy, float* sa, float* dv, nint stride)
        where TSums : struct, IConstant
    {
        float* ds = stackalloc float[4];
        (ds[0], ds[1], ds[2], ds[3]) = (0, 0, 0, 0);
        for (nint t = tokens - 1; t >= 0; t--)
        {
            V ds0 = L.Broadcast(ds[0]), ds1 = L.Broadcast(ds[1]), ds2 = L.Broadcast(ds[2]), ds3 = L.Broadcast(ds[3]);
            float* dyt = dy + t * stride, vt = v + t * stride, sat = sa + t * stride;
            V dy0 = L.Broadcast(dyt[0]), dy1 = L.Broadcast(dyt[1]), dy2 = L.Broadcast(dyt[2]), dy3 = L.Broadcast(dyt[3]);
            V k0 = default, k1 = default, k2 = default, k3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            for (int j = 0; j < n; j += L.Width)
            {
                float* at = token + 5 * n * t + j, to = sum + 5 * n * t + j, p = history + 4 * n * t + j;
                V r = L.Load(at), k = L.Load(at + 2 * n), b = L.Load(at + 4 * n), w = L.Load(at + 6 * n), a = L.Load(at + 8 * n);
                V g0 = Return(g + j, w, ds0, a, dy0, r, k, b, ref k0, ref b0);
                V g1 = Return(g + n + j, w, ds1, a, dy1, r, k, b, ref k1, ref b1);
                V g2 = Return(g + 2 * n + j, w, ds2, a, dy2, r, k, b, ref k2, ref b2);
                V g3 = Return(g + 3 * n + j, w, ds3, a, dy3, r, k, b, ref k3, ref b3);
                if (TSums.Value != 0)
                {
                    V dr = L.Load(to), dw = L.Load(to + n), dk = L.Load(to + 2 * n), db = L.Load(to + 4 * n), da = L.Load(to + 8 * n);
                    Collect(g0, p, p + 4 * n, ds0, dy0, vt, sat, ref dr, ref dw, ref dk, ref da, ref db);
                    Collect(g1, p + n, p + 5 * n, ds1, dy1, vt + 1, sat + 1, ref dr, ref dw, ref dk, ref da, ref db);
                    Collect(g2, p + 2 * n, p + 6 * n, ds2, dy2, vt + 2, sat + 2, ref dr, ref dw, ref dk, ref da, ref db);
                    Collect(g3, p + 3 * n, p + 7 * n, ds3, dy3, vt + 3, sat + 3, ref dr, ref dw, ref dk, ref da, ref db);
                    L.Store(dr, to);
                    L.Store(dw, to + n);
                    L.Store(dk, to + 2 * n);
                    L.Store(db, to + 4 * n);
                    L.Store(da, to + 8 * n);
                }
            }
            LaneSums<L, V>.Four(k0, k1, k2, k3).Store(dv + t * stride);
            LaneSums<L, V>.Four(b0, b1, b2, b3).Store(ds);
        }
        for (int row = 0; row < 4; row++)
        {
            V spread = L.Broadcast(ds[row]);
            for (int j = 0; j < n; j += L.Width)
            {
                float* at = g + row * n + j;
                L.Store(L.MultiplyAdd(spread, L.Load(token + 3 * n + j), L.Multiply(L.Load(at), L.Load(token + n + j))), at);
                if (TSums.Value != 0)
                    L.Store(L.MultiplyAdd(L.Load(history + row * n + j), spread, L.Load(sum + 3 * n + j)), sum + 3 * n + j);
            }
        }
    }

    // S_t of one vector of a row
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V After(float* s, V w, V v, V k, V sa, V b) => L.MultiplyAdd(sa, b, L.MultiplyAdd(v, k, L.Multiply(L.Load(s), w)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move(float* s, V w, V v, V k, V sa, V b, V r, V next, ref V y, ref V nextSa)
    {
        V after = After(s, w, v, k, sa, b);
        L.Store(after, s);
        nextSa = L.MultiplyAdd(after, next, nextSa);
        y = L.MultiplyAdd(after, r, y);
    }

    // G over token t + 1 (its w, ds and a) and with y_t's part
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Return(float* g, V w, V ds, V a, V dy, V r, V k, V b, ref V dv, ref V dsa)
    {
        V now = L.MultiplyAdd(ds, a, L.MultiplyAdd(dy, r, L.Multiply(L.Load(g), w)));
        L.Store(now, g);
        dsa = L.MultiplyAdd(now, b, dsa);
        dv = L.MultiplyAdd(now, k, dv);
        return now;
    }

    // da is that of token t + 1, the others of token t
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Collect(V g, float* before, float* after, V ds, V dy, float* v, float* sa, ref V dr, ref V dw, ref V dk, ref V da, ref V db)
    {
        V q = L.Load(after);
        da = L.MultiplyAdd(q, ds, da);
        dr = L.MultiplyAdd(q, dy, dr);
        dw = L.MultiplyAdd(g, L.Load(before), dw);
        dk = L.MultiplyAdd(g, L.Broadcast(*v), dk);
        db = L.MultiplyAdd(g, L.Broadcast(*sa), db);
    }
}
