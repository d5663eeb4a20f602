using System.Numerics;
using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;

namespace Marrow.Engine;

/// <summary>What a task does on the processor.</summary>
internal sealed unsafe partial class Wkv6Node
{
    // A part is some vectors of values of a head's state, which lies transposed: [keys, values].
    private struct ForwardBody<L, V> : IParallelBody
        where L : struct, ILanes<V>
        where V : struct
    {
        public Walk Walk;
        public float* Initial, Y, Final, States;
        public bool InitialIsShared;
        public int Parts;

        public readonly void Run(int index)
        {
            int head = index / Parts % Walk.Heads, s = index / Parts / Walk.Heads, n = Walk.N, width = Walk.Width;
            int columns = width / Parts, from = index % Parts * columns, values = Math.Clamp(n - from, 0, columns);
            int blocks = width / Wkv6Tiles<L, V>.Keys, keyFloats = ChunkTokens * Wkv6Tiles<L, V>.KeyFloats;
            using ScratchSet.Lease lease = Walk.Pool.Scratch.Rent((nuint)(width * columns + blocks * keyFloats + 2 * ChunkTokens * columns + 5 * width) * sizeof(float));
            float* state = (float*)lease.Data, keys = state + width * columns, ends = keys + blocks * keyFloats, token = ends + 2 * ChunkTokens * columns, u = token + 3 * width, row = u + width;
            Walk.Pad(Walk.U + head * n, n, u, width);
            Begin(Initial is null ? null : Initial + Walk.StateAt(InitialIsShared ? 0 : s, head, n) + from * n, n, values, state, columns, width);
            int slot = Walk.SlotOf(s);
            for (int first = Walk.Starts[s]; first < Walk.Starts[s + 1]; first += ChunkTokens, slot++)
            {
                int count = Math.Min(ChunkTokens, Walk.Starts[s + 1] - first);
                if (States is not null)
                    Keep(state, columns, States + Walk.StateAt(slot, head, width) + from, width);
                for (int t = 0; t < count; t++)
                {
                    Walk.Pack(first + t, head, token);
                    for (int j = 0; j < width; j += 8)
                    {
                        float* key = keys + j / 8 * keyFloats + t * Wkv6Tiles<L, V>.KeyFloats;
                        for (int q = 0; q < 3; q++)
                            Vector256.Load(token + q * width + j).Store(key + 8 * q);
                    }
                    Walk.Pad(Walk.V + Walk.At(first + t, head) + from, values, row, columns);
                    V bonus = L.Broadcast(Dot<L, V>(token, token + 2 * width, width, u));
                    for (int i = 0; i < columns; i += L.Width)
                    {
                        float* value = ends + 2 * (ChunkTokens * i + t * L.Width);
                        V v = L.Load(row + i);
                        L.Store(v, value);
                        L.Store(L.Multiply(v, bonus), value + L.Width);
                    }
                }
                for (int i = 0; i < columns; i += L.Width)
                {
                    Wkv6Tiles<L, V>.Forward(state + i, columns, keys, blocks, ends + 2 * ChunkTokens * i, count);
                    int next = first + ChunkTokens + ChunkTokens * i / columns;
                    Fetch(next, Math.Min(next + ChunkTokens * L.Width / columns, Walk.Starts[s + 1]), head);
                }
                for (int t = 0; t < count; t++)
                {
                    for (int i = 0; i < columns; i += L.Width)
                        L.Store(L.Load(ends + 2 * (ChunkTokens * i + t * L.Width) + L.Width), row + i);
                    new ReadOnlySpan<float>(row, values).CopyTo(new Span<float>(Y + Walk.At(first + t, head) + from, values));
                }
            }
            if (Final is not null && values > 0)
                Simd.Transpose(state, columns, n, values, Final + Walk.StateAt(s, head, n) + from * n, n);
        }

        private readonly void Fetch(int first, int end, int head)
        {
            Walk.Fetch(Walk.R, first, end, head);
            Walk.Fetch(Walk.L, first, end, head);
            Walk.Fetch(Walk.K, first, end, head);
            Walk.Fetch(Walk.V, first, end, head);
            Walk.Fetch(Y, first, end, head);
        }

        private static void Begin(float* initial, int n, int values, float* state, int columns, int width)
        {
            int filled = initial is null || values == 0 ? 0 : n;
            if (filled > 0)
                Simd.Transpose(initial, n, values, n, state, columns);
            new Span<float>(state + filled * columns, (width - filled) * columns).Clear();
        }

        private static void Keep(float* state, int columns, float* to, int width)
        {
            if (columns == width)
            {
                // Past the caches: nothing reads it before backward.
                for (int j = 0; j < width * width; j += Simd.Width)
                    Vector.Load(state + j).StoreAlignedNonTemporal(to + j);
                return;
            }
            for (int j = 0; j < width; j++)
                new ReadOnlySpan<float>(state + j * columns, columns).CopyTo(new Span<float>(to + (long)j * width, columns));
        }
    }

    // A part is 32 rows of a head's state; without parts a task makes the sums of 32 rows one after the other.
    private struct BackwardBody<L, V> : IParallelBody
        where L : struct, ILanes<V>
        where V : struct
    {
        public Walk Walk;
        public int Parts;
        public float* States, Dy, Dfinal, Partials;
        public GradientSlot Dv, Dr, Dk, Dl, Du, Dinitial;
        public bool HasSums;

        public readonly void Run(int index)
        {
            int part = index % Parts, head = index / Parts % Walk.Heads, s = index / Parts / Walk.Heads, n = Walk.N, width = Walk.Width;
            int from = part * PartRows, rows = Parts == 1 ? n : Math.Min(PartRows, n - from), padded = (rows + 3) / 4 * 4;
            int sumFloats = ChunkTokens * Wkv6Tiles<L, V>.SumFloats, rowFloats = ChunkTokens * Wkv6Tiles<L, V>.RowFloats, total = ChunkTokens * width;
            int floats = 2 * padded * width + width / L.Width * sumFloats + padded / 4 * rowFloats + Wkv6Tiles<L, V>.PathFloats + 3 * total + 7 * width + ChunkTokens;
            using ScratchSet.Lease lease = Walk.Pool.Scratch.Rent((nuint)floats * sizeof(float));
            float* state = (float*)lease.Data, gradient = state + padded * width, path = gradient + padded * width, sums = path + Wkv6Tiles<L, V>.PathFloats;
            float* ends = sums + width / L.Width * sumFloats, totals = ends + padded / 4 * rowFloats, token = totals + 3 * total, v = token + 3 * width, dy = v + width;
            float* u = dy + width, du = u + width, beta = du + width;
            Walk.Pad(Walk.U + head * n, n, u, width);
            new Span<float>(du, width).Clear();
            for (int i = 0; i < padded; i++)
                Walk.Pad(Dfinal + Walk.StateAt(s, head, n) + (from + i) * n, Dfinal is null || i >= rows ? 0 : n, gradient + i * width, width);
            GradientSlot toR = SumSlot(Dr, part, 0), toK = SumSlot(Dk, part, 1), toL = SumSlot(Dl, part, 2);
            int start = Walk.Starts[s], chunks = (Walk.Starts[s + 1] - start + ChunkTokens - 1) / ChunkTokens;
            for (int chunk = chunks - 1; chunk >= 0; chunk--)
            {
                int first = start + chunk * ChunkTokens, count = Math.Min(ChunkTokens, Walk.Starts[s + 1] - first);
                for (int t = 0; t < count; t++)
                {
                    Walk.Pack(first + t, head, token);
                    Walk.Pad(Walk.V + Walk.At(first + t, head), n, v, width);
                    Walk.Pad(Dy + Walk.At(first + t, head), n, dy, width);
                    beta[t] = Dot<L, V>(v, dy, width);
                    for (int j = 0; j < width; j += L.Width)
                    {
                        float* key = sums + j / L.Width * sumFloats + t * Wkv6Tiles<L, V>.SumFloats;
                        for (int q = 0; q < 3; q++)
                            L.Store(L.Load(token + q * width + j), key + q * L.Width);
                    }
                    Vector128<float> bonus = Vector128.Create(Dot<L, V>(token, token + 2 * width, width, u));
                    for (int i = 0; i < padded; i += 4)
                    {
                        float* row = ends + i / 4 * rowFloats + t * Wkv6Tiles<L, V>.RowFloats;
                        Vector128<float> d = Vector128.Load(dy + from + i);
                        Vector128.Load(v + from + i).Store(row);
                        d.Store(row + 4);
                        (d * bonus).Store(row + 8);
                    }
                }
                if (!HasSums)
                {
                    for (int i = 0; i < padded; i += 4)
                        Wkv6Tiles<L, V>.StateGradient(gradient + i * width, width, sums, ends + i / 4 * rowFloats, count);
                    continue;
                }
                Simd.Transpose(States + Walk.StateAt(Walk.SlotOf(s) + chunk, head, width) + from, width, width, padded, state, width);
                for (int done = 0; done < padded; done += PartRows)
                {
                    Begin(sums, count, width, from + done == 0 ? u : null, beta, du);
                    for (int i = done; i < Math.Min(done + PartRows, padded); i += 4)
                    {
                        Wkv6Tiles<L, V>.Backward(state + i * width, gradient + i * width, width, sums, ends + i / 4 * rowFloats, path, count);
                        if (chunk > 0)
                            Fetch(first - ChunkTokens + ChunkTokens * i / padded, first - ChunkTokens + ChunkTokens * (i + 4) / padded, head);
                    }
                    Collect(sums, count, width, totals, done > 0);
                }
                for (int t = 0; t < count; t++)
                {
                    long at = Walk.At(first + t, head);
                    for (int i = 0; i < padded; i += 4)
                        Vector128.Load(ends + i / 4 * rowFloats + t * Wkv6Tiles<L, V>.RowFloats + 8).Store(v + i);
                    Dv.Put(at + from, v, rows);
                    toR.Put(at, totals + t * width, n);
                    toK.Put(at, totals + total + t * width, n);
                    toL.Put(at, totals + 2 * total + t * width, n);
                }
            }
            if (part == 0)
                Du.Put((long)s * Walk.Channels + head * n, du, n);
            for (int i = 0; i < rows; i++)
                Dinitial.Put(Walk.StateAt(s, head, n) + (from + i) * n, gradient + i * width, n);
        }

        private readonly void Fetch(int first, int end, int head)
        {
            Walk.Fetch(Walk.R, first, end, head);
            Walk.Fetch(Walk.L, first, end, head);
            Walk.Fetch(Walk.K, first, end, head);
            Walk.Fetch(Walk.V, first, end, head);
            Walk.Fetch(Dy, first, end, head);
            Walk.Fetch(Dv.To, first, end, head);
            Walk.Fetch(Dr.To, first, end, head);
            Walk.Fetch(Dk.To, first, end, head);
            Walk.Fetch(Dl.To, first, end, head);
        }

        // Where a task leaves a sum over rows; one that has not all rows has [parts, 3, tokens, channels] for its own.
        private readonly GradientSlot SumSlot(GradientSlot whole, int part, int sum) =>
            Partials is null ? whole : new GradientSlot { To = Partials + (3 * part + sum) * (long)Walk.Tokens * Walk.Channels };

        // Sums start at zero, those of the first rows at the terms of u, which du gets its part of.
        private static void Begin(float* sums, int tokens, int width, float* u, float* beta, float* du)
        {
            for (int j = 0; j < width; j += L.Width)
            {
                V bonus = u is null ? default : L.Load(u + j), d = L.Load(du + j);
                for (int t = 0; t < tokens; t++, sums += Wkv6Tiles<L, V>.SumFloats)
                {
                    V b = u is null ? default : L.Broadcast(beta[t]), r = L.Multiply(L.Load(sums), b), k = L.Load(sums + 2 * L.Width);
                    L.Store(L.Multiply(L.Multiply(bonus, k), b), sums + 3 * L.Width);
                    L.Store(L.Multiply(bonus, r), sums + 4 * L.Width);
                    L.Store(default, sums + 5 * L.Width);
                    d = L.MultiplyAdd(r, k, d);
                }
                sums += (ChunkTokens - tokens) * Wkv6Tiles<L, V>.SumFloats;
                L.Store(d, du + j);
            }
        }

        // The sums of 32 rows to [dr dk dlogDecay, 16, width].
        private static void Collect(float* sums, int tokens, int width, float* totals, bool adds)
        {
            for (int j = 0; j < width; j += L.Width, sums += (ChunkTokens - tokens) * Wkv6Tiles<L, V>.SumFloats)
            {
                for (int t = 0; t < tokens; t++, sums += Wkv6Tiles<L, V>.SumFloats)
                {
                    for (int q = 0; q < 3; q++)
                    {
                        float* to = totals + (q * ChunkTokens + t) * width + j;
                        V sum = L.Load(sums + (3 + q) * L.Width);
                        if (q == 2)
                            sum = L.Multiply(sum, L.Load(sums + L.Width));
                        L.Store(adds ? L.Add(L.Load(to), sum) : sum, to);
                    }
                }
            }
        }
    }

    // Σ a∘b, or Σ a∘b∘factor, over whole vectors.
    private static float Dot<L, V>(float* a, float* b, int width, float* factor = null)
        where L : struct, ILanes<V>
        where V : struct
    {
        V sum = default;
        for (int j = 0; j < width; j += L.Width)
            sum = L.MultiplyAdd(factor is null ? L.Load(a + j) : L.Multiply(L.Load(a + j), L.Load(factor + j)), L.Load(b + j), sum);
        return Vector128.Sum(L.AddParts(sum));
    }
}
