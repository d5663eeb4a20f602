using System.Numerics;
using Marrow.Engine.Jit;

namespace Marrow.Engine;

/// <summary>
/// Attention's kernels in fp32 arithmetic for any device. One group keeps a tile of rows of one head (queries, or keys where their gradients
/// are wanted) in shared memory while tiles of the other side pass by. Lane r·across + c owns rows r, r + down, … and of the passing tile
/// columns c, c + across, …, so that a row's sums stay with the lanes that began them.
/// </summary>
internal sealed unsafe partial class AttentionNode
{
    // What a hidden score holds: below every real one, and finite, so that differences are never NaN.
    private const float Hidden = -1e30f;

    /// <summary>The sequence that tile number <paramref name="tile"/> belongs to: sequence s owns numbers from starts[s] / size + s on, some of them without rows.</summary>
    internal static int SequenceOf(View<int> starts, int sequences, int tile, int size)
    {
        int low = 0, high = sequences;
        while (high - low > 1)
        {
            int middle = (low + high) / 2;
            if (starts[middle] / size + middle <= tile)
                low = middle;
            else
                high = middle;
        }
        return low;
    }

    /// <summary>Copies rows of one head into shared memory times <paramref name="scale"/>; what lies beyond the valid rows or the head becomes zero.</summary>
    private static void Fill<T>(Shared<float> tile, View<T> from, int rows, int valid, int width, int d, int stride, float scale) where T : unmanaged
    {
        int quads = stride / 4 - 1;
        for (int n = Gpu.Lane; n < rows * quads; n += Gpu.Lanes)
        {
            int i = n / quads, x = n % quads * 4;
            Vector4 value = Vector4.Zero;
            if (i < valid && x < d)
                value = Quad(from, i * width + x, d - x, d) * scale;
            tile.Store4(i * stride + x, value);
        }
    }

    /// <summary>Four channels from element <paramref name="at"/> on, zero where the head has fewer left.</summary>
    private static Vector4 Quad<T>(View<T> from, int at, int left, int d) where T : unmanaged
    {
        Vector4 value = Vector4.Zero;
        if (d % 4 == 0)
        {
            value = from.Load4(at);
        }
        else
        {
            value.X = from.Load(at);
            if (left > 1)
                value.Y = from.Load(at + 1);
            if (left > 2)
                value.Z = from.Load(at + 2);
            if (left > 3)
                value.W = from.Load(at + 3);
        }
        return value;
    }

    /// <summary>Writes four channels, or as many as the head has left, adding to what is there if asked to.</summary>
    private static void Put<T>(View<T> to, int at, Vector4 value, int left, int d, int add) where T : unmanaged
    {
        if (left <= 0)
            return;
        if (add != 0)
            value += Quad(to, at, left, d);
        if (d % 4 == 0)
        {
            to.Store4(at, value);
        }
        else
        {
            to.Store(at, value.X);
            if (left > 1)
                to.Store(at + 1, value.Y);
            if (left > 2)
                to.Store(at + 2, value.Z);
            if (left > 3)
                to.Store(at + 3, value.W);
        }
    }

    /// <summary>dots = own·passingᵀ for the lane's rows and columns; the four parts of each are still to be added. d is no constant here: unrolling its loop makes compilers slow and nothing faster.</summary>
    private static void Products(Private<Vector4> dots, Shared<float> own, Shared<float> passing, int r, int c, int d,
        [Const(68)] int stride, [Const(16)] int down, [Const(8)] int across, [Const(4)] int tall, [Const(4)] int wide)
    {
        Private<Vector4> side = Gpu.Private<Vector4>(wide);
        for (int n = 0; n < tall * wide; n++)
            dots[n] = Vector4.Zero;
        for (int x = 0; x < d; x += 4)
        {
            for (int j = 0; j < wide; j++)
                side[j] = passing.Load4((c + j * across) * stride + x);
            for (int i = 0; i < tall; i++)
            {
                Vector4 row = own.Load4((r + i * down) * stride + x);
                for (int j = 0; j < wide; j++)
                    dots[i * wide + j] += row * side[j];
            }
        }
    }

    /// <summary>A score from the four parts of its product, capped where the model caps.</summary>
    private static float Score(Vector4 dot, float cap, [Const(1)] int capped)
    {
        float score = dot.X + dot.Y + (dot.Z + dot.W);
        return capped != 0 ? SoftCapNode.Capped(score, cap) : score;
    }

    /// <summary>sums += weights·passing for the lane's rows and channels; count, the passing rows, is no constant as d is none above.</summary>
    private static void Accumulate(Private<Vector4> sums, Shared<float> weights, Shared<float> passing, int r, int c, int count,
        [Const(68)] int stride, [Const(36)] int pitch, [Const(16)] int down, [Const(8)] int across, [Const(4)] int tall, [Const(2)] int columns)
    {
        for (int y = 0; y < count; y += 4)
        {
            for (int m = 0; m < columns; m++)
            {
                int at = y * stride + 4 * (c + m * across);
                Vector4 x0 = passing.Load4(at), x1 = passing.Load4(at + stride), x2 = passing.Load4(at + 2 * stride), x3 = passing.Load4(at + 3 * stride);
                for (int i = 0; i < tall; i++)
                {
                    Vector4 weight = weights.Load4((r + i * down) * pitch + y), sum = sums[i * columns + m];
                    sum += x0 * weight.X;
                    sum += x1 * weight.Y;
                    sum += x2 * weight.Z;
                    sum += x3 * weight.W;
                    sums[i * columns + m] = sum;
                }
            }
        }
    }

    // Every lane keeps the sum of the weights in its own columns; they are added up once, at the end.
    [Kernel]
    private static void ForwardTile<T>(View<T> q, View<T> k, View<T> v, View<int> starts, View<T> o, View<float> lse,
        int sequences, int rows, int first, int heads, int group, int window, float scale, float cap,
        [Const(64)] int d, [Const(8)] int across, [Const(4)] int tall, [Const(4)] int wide, [Const(2)] int columns, [Const(1)] int capped) where T : unmanaged
    {
        int down = Gpu.Lanes / across, r = Gpu.Lane / across, c = Gpu.Lane % across;
        int queries = tall * down, keys = wide * across, stride = 4 * across * columns + 4, pitch = keys + 4;
        Shared<float> qs = Gpu.Shared<float>(queries * stride);
        Shared<float> ks = Gpu.Shared<float>(keys * stride);
        Shared<float> vs = Gpu.Shared<float>(keys * stride);
        Shared<float> ps = Gpu.Shared<float>(queries * pitch);
        Shared<float> exchange = Gpu.Shared<float>(tall * Gpu.Lanes);
        Private<Vector4> sums = Gpu.Private<Vector4>(tall * columns);
        Private<Vector4> dots = Gpu.Private<Vector4>(tall * wide);
        Private<float> scores = Gpu.Private<float>(tall * wide);
        Private<float> top = Gpu.Private<float>(tall);
        Private<float> mass = Gpu.Private<float>(tall);

        // Late tiles see the most keys: they go first.
        int head = Gpu.Group % heads, tile = Gpu.Groups / heads - 1 - Gpu.Group / heads;
        int sequence = SequenceOf(starts, sequences, tile, queries);
        int start = starts[sequence], end = starts[sequence + 1];
        int t0 = start + (tile - start / queries - sequence) * queries;
        int u0 = Math.Max(start, t0 + first - window + 1), stop = t0 < end ? Math.Min(t0 + queries, end) + first : u0;
        int width = heads * d, keyWidth = heads / group * d;
        Fill(qs, q.At((long)t0 * width + head * d), queries, end - t0, width, d, stride, scale);
        for (int i = 0; i < tall; i++)
            top[i] = Hidden;
        for (; u0 < stop; u0 += keys)
        {
            Gpu.Barrier();
            long keyAt = (long)u0 * keyWidth + head / group * d;
            Fill(ks, k.At(keyAt), keys, stop - u0, keyWidth, d, stride, 1f);
            Fill(vs, v.At(keyAt), keys, stop - u0, keyWidth, d, stride, 1f);
            Gpu.Barrier();
            Products(dots, qs, ks, r, c, d, stride, down, across, tall, wide);
            for (int i = 0; i < tall; i++)
            {
                int t = t0 + r + i * down + first;
                float most = Hidden;
                for (int j = 0; j < wide; j++)
                {
                    int u = u0 + c + j * across;
                    float score = u <= t && t - u < window ? Score(dots[i * wide + j], cap, capped) : Hidden;
                    scores[i * wide + j] = score;
                    most = MathF.Max(most, score);
                }
                exchange[(r + i * down) * across + c] = most;
            }
            Gpu.Barrier();
            for (int i = 0; i < tall; i++)
            {
                float most = top[i];
                for (int n = 0; n < across; n++)
                    most = MathF.Max(most, exchange[(r + i * down) * across + n]);
                float shrink = MathF.Exp(top[i] - most);
                top[i] = most;
                float added = 0f;
                for (int j = 0; j < wide; j++)
                {
                    float score = scores[i * wide + j];
                    float weight = score > Hidden ? MathF.Exp(score - most) : 0f;
                    ps[(r + i * down) * pitch + c + j * across] = weight;
                    added += weight;
                }
                mass[i] = mass[i] * shrink + added;
                for (int m = 0; m < columns; m++)
                    sums[i * columns + m] *= shrink;
            }
            Gpu.Barrier();
            Accumulate(sums, ps, vs, r, c, keys, stride, pitch, down, across, tall, columns);
        }
        Gpu.Barrier();
        for (int i = 0; i < tall; i++)
            exchange[(r + i * down) * across + c] = mass[i];
        Gpu.Barrier();
        View<T> place = o.At((long)t0 * width + head * d);
        for (int i = 0; i < tall; i++)
        {
            int t = r + i * down;
            float whole = 0f;
            for (int n = 0; n < across; n++)
                whole += exchange[t * across + n];
            if (t0 + t < end)
            {
                if (c == 0)
                    lse[(long)head * rows + t0 + t] = top[i] + MathF.Log(whole);
                for (int m = 0; m < columns; m++)
                {
                    int x = 4 * (c + m * across);
                    Put(place, t * width + x, sums[i * columns + m] * (1f / whole), d - x, d, 0);
                }
            }
        }
    }

    // Σ do∘o of each row and head, eight lanes to each: delta is [heads, rows] as lse is.
    [Kernel]
    private static void Delta<T, U>(View<T> o, View<U> upstream, View<float> delta, int rows, int heads, [Const(64)] int d) where T : unmanaged where U : unmanaged
    {
        const int Team = 8;
        Shared<float> parts = Gpu.Shared<float>(Gpu.Lanes);
        int item = Gpu.Item / Team, member = Gpu.Lane % Team, count = rows * heads;
        float sum = 0f;
        if (item < count)
        {
            long at = (long)item * d;
            for (int x = 4 * member; x < d; x += 4 * Team)
            {
                Vector4 both = Quad(o.At(at), x, d - x, d) * Quad(upstream.At(at), x, d - x, d);
                sum += both.X + both.Y + (both.Z + both.W);
            }
        }
        parts[Gpu.Lane] = sum;
        Gpu.Barrier();
        if (member == 0 && item < count)
        {
            for (int n = 1; n < Team; n++)
                sum += parts[Gpu.Lane + n];
            delta[(long)(item % heads) * rows + item / heads] = sum;
        }
    }

    // dq of a tile of queries of one head: ds = p∘(do·vᵀ − delta), dq = scale·ds·k.
    [Kernel]
    private static void QueryGradientTile<T, U, G>(View<T> q, View<T> k, View<T> v, View<int> starts, View<float> lse, View<float> delta, View<U> upstream, View<G> dq, int add,
        int sequences, int rows, int heads, int group, int window, float scale, float cap,
        [Const(64)] int d, [Const(8)] int across, [Const(4)] int tall, [Const(4)] int wide, [Const(2)] int columns, [Const(1)] int capped)
        where T : unmanaged where U : unmanaged where G : unmanaged
    {
        int down = Gpu.Lanes / across, r = Gpu.Lane / across, c = Gpu.Lane % across;
        int queries = tall * down, keys = wide * across, stride = 4 * across * columns + 4, pitch = keys + 4;
        Shared<float> qs = Gpu.Shared<float>(queries * stride);
        Shared<float> us = Gpu.Shared<float>(queries * stride);
        Shared<float> ks = Gpu.Shared<float>(keys * stride);
        Shared<float> vs = Gpu.Shared<float>(keys * stride);
        Shared<float> gs = Gpu.Shared<float>(queries * pitch);
        Private<Vector4> sums = Gpu.Private<Vector4>(tall * columns);
        Private<Vector4> dots = Gpu.Private<Vector4>(tall * wide);
        Private<float> weights = Gpu.Private<float>(tall * wide);
        Private<float> level = Gpu.Private<float>(tall);
        Private<float> mean = Gpu.Private<float>(tall);

        int head = Gpu.Group % heads, tile = Gpu.Groups / heads - 1 - Gpu.Group / heads;
        int sequence = SequenceOf(starts, sequences, tile, queries);
        int start = starts[sequence], end = starts[sequence + 1];
        int t0 = start + (tile - start / queries - sequence) * queries;
        int u0 = Math.Max(start, t0 - window + 1), stop = t0 < end ? Math.Min(t0 + queries, end) : u0;
        int width = heads * d, keyWidth = heads / group * d;
        long at = (long)t0 * width + head * d;
        Fill(qs, q.At(at), queries, end - t0, width, d, stride, 1f);
        Fill(us, upstream.At(at), queries, end - t0, width, d, stride, 1f);
        for (int i = 0; i < tall; i++)
        {
            int t = t0 + r + i * down;
            if (t < end)
            {
                level[i] = lse[(long)head * rows + t];
                mean[i] = delta[(long)head * rows + t];
            }
        }
        for (; u0 < stop; u0 += keys)
        {
            Gpu.Barrier();
            long keyAt = (long)u0 * keyWidth + head / group * d;
            Fill(ks, k.At(keyAt), keys, stop - u0, keyWidth, d, stride, scale);
            Fill(vs, v.At(keyAt), keys, stop - u0, keyWidth, d, stride, 1f);
            Gpu.Barrier();
            Products(dots, qs, ks, r, c, d, stride, down, across, tall, wide);
            for (int i = 0; i < tall; i++)
            {
                int t = t0 + r + i * down;
                for (int j = 0; j < wide; j++)
                {
                    int u = u0 + c + j * across;
                    float score = Score(dots[i * wide + j], cap, capped);
                    float weight = u <= t && t - u < window && t < end ? MathF.Exp(score - level[i]) : 0f;
                    weights[i * wide + j] = capped != 0 ? weight * SoftCapNode.Slope(score, cap) : weight;
                }
            }
            Products(dots, us, vs, r, c, d, stride, down, across, tall, wide);
            for (int i = 0; i < tall; i++)
            {
                for (int j = 0; j < wide; j++)
                {
                    Vector4 dot = dots[i * wide + j];
                    gs[(r + i * down) * pitch + c + j * across] = weights[i * wide + j] * (dot.X + dot.Y + (dot.Z + dot.W) - mean[i]);
                }
            }
            Gpu.Barrier();
            Accumulate(sums, gs, ks, r, c, keys, stride, pitch, down, across, tall, columns);
        }
        View<G> place = dq.At(at);
        for (int i = 0; i < tall; i++)
        {
            int t = r + i * down;
            if (t0 + t < end)
            {
                for (int m = 0; m < columns; m++)
                {
                    int x = 4 * (c + m * across);
                    Put(place, t * width + x, sums[i * columns + m], d - x, d, add);
                }
            }
        }
    }

    // dk and dv of a tile of keys of one key head, from all query heads that read it: dv = pᵀ·do, dk = scale·dsᵀ·q. Mode 0 writes nothing, 1 writes, 2 adds.
    [Kernel]
    private static void KeyGradientTile<T, U, G>(View<T> q, View<T> k, View<T> v, View<int> starts, View<float> lse, View<float> delta, View<U> upstream, View<G> dk, View<G> dv, int keyMode, int valueMode,
        int sequences, int rows, int heads, int group, int window, float scale, float cap,
        [Const(64)] int d, [Const(8)] int across, [Const(4)] int tall, [Const(4)] int wide, [Const(2)] int columns, [Const(1)] int capped)
        where T : unmanaged where U : unmanaged where G : unmanaged
    {
        int down = Gpu.Lanes / across, r = Gpu.Lane / across, c = Gpu.Lane % across;
        int keys = tall * down, queries = wide * across, stride = 4 * across * columns + 4, pitch = queries + 4;
        Shared<float> ks = Gpu.Shared<float>(keys * stride);
        Shared<float> vs = Gpu.Shared<float>(keys * stride);
        Shared<float> qs = Gpu.Shared<float>(queries * stride);
        Shared<float> us = Gpu.Shared<float>(queries * stride);
        Shared<float> ps = Gpu.Shared<float>(keys * pitch);
        Shared<float> gs = Gpu.Shared<float>(keys * pitch);
        Shared<float> level = Gpu.Shared<float>(queries);
        Shared<float> mean = Gpu.Shared<float>(queries);
        Private<Vector4> keySums = Gpu.Private<Vector4>(tall * columns);
        Private<Vector4> valueSums = Gpu.Private<Vector4>(tall * columns);
        Private<Vector4> dots = Gpu.Private<Vector4>(tall * wide);
        Private<float> weights = Gpu.Private<float>(tall * wide);

        int keyHeads = heads / group, keyHead = Gpu.Group % keyHeads, tile = Gpu.Group / keyHeads;
        int sequence = SequenceOf(starts, sequences, tile, keys);
        int start = starts[sequence], end = starts[sequence + 1];
        int u0 = start + (tile - start / keys - sequence) * keys;
        int stop = u0 < end ? Math.Min(end, u0 + keys - 1 + window) : u0;
        int width = heads * d, keyWidth = keyHeads * d;
        long keyAt = (long)u0 * keyWidth + keyHead * d;
        Fill(ks, k.At(keyAt), keys, end - u0, keyWidth, d, stride, 1f);
        Fill(vs, v.At(keyAt), keys, end - u0, keyWidth, d, stride, 1f);
        for (int head = keyHead * group; head < (keyHead + 1) * group; head++)
        {
            for (int t0 = u0; t0 < stop; t0 += queries)
            {
                Gpu.Barrier();
                long at = (long)t0 * width + head * d;
                Fill(qs, q.At(at), queries, stop - t0, width, d, stride, scale);
                Fill(us, upstream.At(at), queries, stop - t0, width, d, stride, 1f);
                for (int n = Gpu.Lane; n < queries; n += Gpu.Lanes)
                {
                    bool there = t0 + n < stop;
                    level[n] = there ? lse[(long)head * rows + t0 + n] : 0f;
                    mean[n] = there ? delta[(long)head * rows + t0 + n] : 0f;
                }
                Gpu.Barrier();
                Products(dots, ks, qs, r, c, d, stride, down, across, tall, wide);
                for (int i = 0; i < tall; i++)
                {
                    int u = u0 + r + i * down;
                    for (int j = 0; j < wide; j++)
                    {
                        int t = t0 + c + j * across;
                        float score = Score(dots[i * wide + j], cap, capped);
                        float weight = u <= t && t - u < window && t < stop ? MathF.Exp(score - level[c + j * across]) : 0f;
                        weights[i * wide + j] = capped != 0 ? weight * SoftCapNode.Slope(score, cap) : weight;
                        ps[(r + i * down) * pitch + c + j * across] = weight;
                    }
                }
                Products(dots, vs, us, r, c, d, stride, down, across, tall, wide);
                for (int i = 0; i < tall; i++)
                {
                    for (int j = 0; j < wide; j++)
                    {
                        Vector4 dot = dots[i * wide + j];
                        gs[(r + i * down) * pitch + c + j * across] = weights[i * wide + j] * (dot.X + dot.Y + (dot.Z + dot.W) - mean[c + j * across]);
                    }
                }
                Gpu.Barrier();
                Accumulate(valueSums, ps, us, r, c, queries, stride, pitch, down, across, tall, columns);
                Accumulate(keySums, gs, qs, r, c, queries, stride, pitch, down, across, tall, columns);
            }
        }
        for (int i = 0; i < tall; i++)
        {
            int u = r + i * down;
            if (u0 + u < end)
            {
                for (int m = 0; m < columns; m++)
                {
                    int x = 4 * (c + m * across);
                    if (keyMode != 0)
                        Put(dk.At(keyAt), u * keyWidth + x, keySums[i * columns + m], d - x, d, keyMode - 1);
                    if (valueMode != 0)
                        Put(dv.At(keyAt), u * keyWidth + x, valueSums[i * columns + m], d - x, d, valueMode - 1);
                }
            }
        }
    }
}
