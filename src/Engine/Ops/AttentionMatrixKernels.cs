using System.Numerics;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>
/// Attention's kernels for matrix units: bf16 tiles in shared memory, fp32 sums and statistics. Warps stand in rows of 16 and
/// <c>split</c> beside each other: each computes its 16 rows' scores with a part of the passing tile, and sums a part of the channels.
/// Lane l of a warp holds rows l/4 and l/4 + 8, columns 2·(l mod 4) and the next of each tile of eight (see <see cref="Gpu.WarpMultiply"/>).
/// </summary>
internal sealed unsafe partial class AttentionNode
{
    /// <summary>Copies rows of one head into shared memory; rows that are not valid become zero. d is a multiple of 16.</summary>
    private static void FillMatrix<T>(Shared<BFloat16> tile, View<T> from, int rows, int valid, int width, int d) where T : unmanaged
    {
        int quads = d / 4;
        for (int n = Gpu.Lane; n < rows * quads; n += Gpu.Lanes)
        {
            int i = n / quads, x = n % quads * 4;
            tile.Store4(i * (d + 8) + x, i < valid ? from.Load4(i * width + x) : Vector4.Zero);
        }
    }

    private static float Score(float score, float cap, [Const(1)] int capped) => capped != 0 ? SoftCapNode.Capped(score, cap) : score;

    /// <summary>Writes an element of a gradient or adds to it.</summary>
    private static void Put<T>(View<T> to, int at, float value, int add) where T : unmanaged => to.Store(at, add != 0 ? to.Load(at) + value : value);

    [Kernel]
    private static void ForwardMatrix<T>(View<T> q, View<T> k, View<T> v, View<int> starts, View<T> o, View<float> lse,
        int sequences, int rows, int first, int heads, int group, int window, float scale, float cap,
        [Const(64)] int d, [Const(1)] int split, [Const(8)] int tiles, [Const(8)] int columns, [Const(1)] int capped) where T : unmanaged
    {
        int warp = Gpu.Lane / 32 / split, part = Gpu.Lane / 32 % split, quad = Gpu.Lane % 4, r = 16 * warp + Gpu.Lane % 32 / 4;
        int queries = Gpu.Lanes / 2 / split, keys = 8 * tiles * split, stride = d + 8, pitch = keys + 8;
        Shared<BFloat16> qs = Gpu.Shared<BFloat16>(queries * stride);
        Shared<BFloat16> ks = Gpu.Shared<BFloat16>(keys * stride);
        Shared<BFloat16> vs = Gpu.Shared<BFloat16>(keys * stride);
        Shared<BFloat16> ps = Gpu.Shared<BFloat16>(queries * pitch);
        Shared<float> exchange = Gpu.Shared<float>(Gpu.Lanes * 2);
        Private<float> scores = Gpu.Private<float>(4 * tiles);
        Private<float> sums = Gpu.Private<float>(4 * columns);
        Private<float> top = Gpu.Private<float>(2);
        Private<float> mass = Gpu.Private<float>(2);

        int head = Gpu.Group % heads, tile = Gpu.Groups / heads - 1 - Gpu.Group / heads;
        int sequence = SequenceOf(starts, sequences, tile, queries);
        int start = starts[sequence], end = starts[sequence + 1];
        int t0 = start + (tile - start / queries - sequence) * queries;
        int u0 = Math.Max(start, t0 + first - window + 1), stop = t0 < end ? Math.Min(t0 + queries, end) + first : u0;
        int width = heads * d, keyWidth = heads / group * d;
        FillMatrix(qs, q.At((long)t0 * width + head * d), queries, end - t0, width, d);
        for (int half = 0; half < 2; half++)
            top[half] = Hidden;
        for (; u0 < stop; u0 += keys)
        {
            Gpu.Barrier();
            long keyAt = (long)u0 * keyWidth + head / group * d;
            FillMatrix(ks, k.At(keyAt), keys, stop - u0, keyWidth, d);
            FillMatrix(vs, v.At(keyAt), keys, stop - u0, keyWidth, d);
            Gpu.Barrier();
            for (int n = 0; n < 4 * tiles; n++)
                scores[n] = 0f;
            for (int x = 0; x < d; x += 16)
                Gpu.WarpMultiply(qs.At(16 * warp * stride + x), stride, false, ks.At(8 * tiles * part * stride + x), stride, false, scores, 1, tiles);
            for (int half = 0; half < 2; half++)
            {
                int t = t0 + r + 8 * half + first;
                float most = Hidden;
                for (int n = 0; n < 2 * tiles; n++)
                {
                    int u = u0 + 8 * (tiles * part + n / 2) + 2 * quad + n % 2, at = n / 2 * 4 + 2 * half + n % 2;
                    float score = u <= t && t - u < window ? Score(scores[at] * scale, cap, capped) : Hidden;
                    scores[at] = score;
                    most = MathF.Max(most, score);
                }
                exchange[((r + 8 * half) * split + part) * 4 + quad] = most;
            }
            Gpu.Barrier();
            for (int half = 0; half < 2; half++)
            {
                float most = top[half];
                for (int n = 0; n < 4 * split; n++)
                    most = MathF.Max(most, exchange[(r + 8 * half) * split * 4 + n]);
                float shrink = MathF.Exp(top[half] - most);
                top[half] = most;
                float added = 0f;
                for (int n = 0; n < 2 * tiles; n++)
                {
                    float score = scores[n / 2 * 4 + 2 * half + n % 2];
                    float weight = score > Hidden ? MathF.Exp(score - most) : 0f;
                    ps.Store((r + 8 * half) * pitch + 8 * (tiles * part + n / 2) + 2 * quad + n % 2, weight);
                    added += weight;
                }
                mass[half] = mass[half] * shrink + added;
                for (int n = 0; n < 2 * columns; n++)
                    sums[n / 2 * 4 + 2 * half + n % 2] *= shrink;
            }
            Gpu.Barrier();
            for (int y = 0; y < keys; y += 16)
                Gpu.WarpMultiply(ps.At(16 * warp * pitch + y), pitch, false, vs.At(y * stride + 8 * columns * part), stride, true, sums, 1, columns);
        }
        Gpu.Barrier();
        for (int half = 0; half < 2; half++)
            exchange[((r + 8 * half) * split + part) * 4 + quad] = mass[half];
        Gpu.Barrier();
        View<T> place = o.At((long)t0 * width + head * d);
        for (int half = 0; half < 2; half++)
        {
            int t = r + 8 * half;
            float whole = 0f;
            for (int n = 0; n < 4 * split; n++)
                whole += exchange[t * split * 4 + n];
            if (t0 + t < end)
            {
                if (part == 0 && quad == 0)
                    lse[(long)head * rows + t0 + t] = top[half] + MathF.Log(whole);
                for (int n = 0; n < 2 * columns; n++)
                    place.Store(t * width + 8 * (columns * part + n / 2) + 2 * quad + n % 2, sums[n / 2 * 4 + 2 * half + n % 2] * (1f / whole));
            }
        }
    }

    [Kernel]
    private static void QueryGradientMatrix<T, U, G>(View<T> q, View<T> k, View<T> v, View<int> starts, View<float> lse, View<float> delta, View<U> upstream, View<G> dq, int add,
        int sequences, int rows, int heads, int group, int window, float scale, float cap,
        [Const(64)] int d, [Const(1)] int split, [Const(4)] int tiles, [Const(8)] int columns, [Const(1)] int capped)
        where T : unmanaged where U : unmanaged where G : unmanaged
    {
        int warp = Gpu.Lane / 32 / split, part = Gpu.Lane / 32 % split, quad = Gpu.Lane % 4, r = 16 * warp + Gpu.Lane % 32 / 4;
        int queries = Gpu.Lanes / 2 / split, keys = 8 * tiles * split, stride = d + 8, pitch = keys + 8;
        Shared<BFloat16> qs = Gpu.Shared<BFloat16>(queries * stride);
        Shared<BFloat16> us = Gpu.Shared<BFloat16>(queries * stride);
        Shared<BFloat16> ks = Gpu.Shared<BFloat16>(keys * stride);
        Shared<BFloat16> vs = Gpu.Shared<BFloat16>(keys * stride);
        Shared<BFloat16> gs = Gpu.Shared<BFloat16>(queries * pitch);
        Private<float> weights = Gpu.Private<float>(4 * tiles);
        Private<float> slopes = Gpu.Private<float>(4 * tiles);
        Private<float> sums = Gpu.Private<float>(4 * columns);
        Private<float> level = Gpu.Private<float>(2);
        Private<float> mean = Gpu.Private<float>(2);

        int head = Gpu.Group % heads, tile = Gpu.Groups / heads - 1 - Gpu.Group / heads;
        int sequence = SequenceOf(starts, sequences, tile, queries);
        int start = starts[sequence], end = starts[sequence + 1];
        int t0 = start + (tile - start / queries - sequence) * queries;
        int u0 = Math.Max(start, t0 - window + 1), stop = t0 < end ? Math.Min(t0 + queries, end) : u0;
        int width = heads * d, keyWidth = heads / group * d;
        long at = (long)t0 * width + head * d;
        FillMatrix(qs, q.At(at), queries, end - t0, width, d);
        FillMatrix(us, upstream.At(at), queries, end - t0, width, d);
        for (int half = 0; half < 2; half++)
        {
            int t = t0 + r + 8 * half;
            if (t < end)
            {
                level[half] = lse[(long)head * rows + t];
                mean[half] = delta[(long)head * rows + t];
            }
        }
        for (; u0 < stop; u0 += keys)
        {
            Gpu.Barrier();
            long keyAt = (long)u0 * keyWidth + head / group * d;
            FillMatrix(ks, k.At(keyAt), keys, stop - u0, keyWidth, d);
            FillMatrix(vs, v.At(keyAt), keys, stop - u0, keyWidth, d);
            Gpu.Barrier();
            for (int n = 0; n < 4 * tiles; n++)
            {
                weights[n] = 0f;
                slopes[n] = 0f;
            }
            for (int x = 0; x < d; x += 16)
            {
                Gpu.WarpMultiply(qs.At(16 * warp * stride + x), stride, false, ks.At(8 * tiles * part * stride + x), stride, false, weights, 1, tiles);
                Gpu.WarpMultiply(us.At(16 * warp * stride + x), stride, false, vs.At(8 * tiles * part * stride + x), stride, false, slopes, 1, tiles);
            }
            for (int half = 0; half < 2; half++)
            {
                int t = t0 + r + 8 * half;
                for (int n = 0; n < 2 * tiles; n++)
                {
                    int column = 8 * (tiles * part + n / 2) + 2 * quad + n % 2, u = u0 + column, from = n / 2 * 4 + 2 * half + n % 2;
                    float score = Score(weights[from] * scale, cap, capped);
                    float weight = u <= t && t - u < window && t < end ? MathF.Exp(score - level[half]) : 0f;
                    float slope = weight * (slopes[from] - mean[half]);
                    gs.Store((r + 8 * half) * pitch + column, capped != 0 ? slope * SoftCapNode.Slope(score, cap) : slope);
                }
            }
            Gpu.Barrier();
            for (int y = 0; y < keys; y += 16)
                Gpu.WarpMultiply(gs.At(16 * warp * pitch + y), pitch, false, ks.At(y * stride + 8 * columns * part), stride, true, sums, 1, columns);
        }
        View<G> place = dq.At(at);
        for (int half = 0; half < 2; half++)
        {
            int t = r + 8 * half;
            if (t0 + t < end)
            {
                for (int n = 0; n < 2 * columns; n++)
                    Put(place, t * width + 8 * (columns * part + n / 2) + 2 * quad + n % 2, sums[n / 2 * 4 + 2 * half + n % 2] * scale, add);
            }
        }
    }

    // Scores and slopes are computed with keys as rows: what is multiplied by do and q afterwards lies as it is needed.
    [Kernel]
    private static void KeyGradientMatrix<T, U, G>(View<T> q, View<T> k, View<T> v, View<int> starts, View<float> lse, View<float> delta, View<U> upstream, View<G> dk, View<G> dv, int keyMode, int valueMode,
        int sequences, int rows, int heads, int group, int window, float scale, float cap,
        [Const(64)] int d, [Const(1)] int split, [Const(4)] int tiles, [Const(8)] int columns, [Const(1)] int capped)
        where T : unmanaged where U : unmanaged where G : unmanaged
    {
        int warp = Gpu.Lane / 32 / split, part = Gpu.Lane / 32 % split, quad = Gpu.Lane % 4, r = 16 * warp + Gpu.Lane % 32 / 4;
        int keys = Gpu.Lanes / 2 / split, queries = 8 * tiles * split, stride = d + 8, pitch = queries + 8;
        Shared<BFloat16> ks = Gpu.Shared<BFloat16>(keys * stride);
        Shared<BFloat16> vs = Gpu.Shared<BFloat16>(keys * stride);
        Shared<BFloat16> qs = Gpu.Shared<BFloat16>(queries * stride);
        Shared<BFloat16> us = Gpu.Shared<BFloat16>(queries * stride);
        Shared<BFloat16> ps = Gpu.Shared<BFloat16>(keys * pitch);
        Shared<BFloat16> gs = Gpu.Shared<BFloat16>(keys * pitch);
        Shared<float> level = Gpu.Shared<float>(queries);
        Shared<float> mean = Gpu.Shared<float>(queries);
        Private<float> weights = Gpu.Private<float>(4 * tiles);
        Private<float> slopes = Gpu.Private<float>(4 * tiles);
        Private<float> keySums = Gpu.Private<float>(4 * columns);
        Private<float> valueSums = Gpu.Private<float>(4 * columns);

        int keyHeads = heads / group, keyHead = Gpu.Group % keyHeads, tile = Gpu.Group / keyHeads;
        int sequence = SequenceOf(starts, sequences, tile, keys);
        int start = starts[sequence], end = starts[sequence + 1];
        int u0 = start + (tile - start / keys - sequence) * keys;
        int stop = u0 < end ? Math.Min(end, u0 + keys - 1 + window) : u0;
        int width = heads * d, keyWidth = keyHeads * d;
        long keyAt = (long)u0 * keyWidth + keyHead * d;
        FillMatrix(ks, k.At(keyAt), keys, end - u0, keyWidth, d);
        FillMatrix(vs, v.At(keyAt), keys, end - u0, keyWidth, d);
        for (int head = keyHead * group; head < (keyHead + 1) * group; head++)
        {
            for (int t0 = u0; t0 < stop; t0 += queries)
            {
                Gpu.Barrier();
                long at = (long)t0 * width + head * d;
                FillMatrix(qs, q.At(at), queries, stop - t0, width, d);
                FillMatrix(us, upstream.At(at), queries, stop - t0, width, d);
                for (int n = Gpu.Lane; n < queries; n += Gpu.Lanes)
                {
                    bool there = t0 + n < stop;
                    level[n] = there ? lse[(long)head * rows + t0 + n] : 0f;
                    mean[n] = there ? delta[(long)head * rows + t0 + n] : 0f;
                }
                Gpu.Barrier();
                for (int n = 0; n < 4 * tiles; n++)
                {
                    weights[n] = 0f;
                    slopes[n] = 0f;
                }
                for (int x = 0; x < d; x += 16)
                {
                    Gpu.WarpMultiply(ks.At(16 * warp * stride + x), stride, false, qs.At(8 * tiles * part * stride + x), stride, false, weights, 1, tiles);
                    Gpu.WarpMultiply(vs.At(16 * warp * stride + x), stride, false, us.At(8 * tiles * part * stride + x), stride, false, slopes, 1, tiles);
                }
                for (int half = 0; half < 2; half++)
                {
                    int u = u0 + r + 8 * half;
                    for (int n = 0; n < 2 * tiles; n++)
                    {
                        int column = 8 * (tiles * part + n / 2) + 2 * quad + n % 2, t = t0 + column, from = n / 2 * 4 + 2 * half + n % 2;
                        float score = Score(weights[from] * scale, cap, capped);
                        float weight = u <= t && t - u < window && t < stop ? MathF.Exp(score - level[column]) : 0f;
                        float slope = weight * (slopes[from] - mean[column]);
                        ps.Store((r + 8 * half) * pitch + column, weight);
                        gs.Store((r + 8 * half) * pitch + column, capped != 0 ? slope * SoftCapNode.Slope(score, cap) : slope);
                    }
                }
                Gpu.Barrier();
                for (int y = 0; y < queries; y += 16)
                {
                    Gpu.WarpMultiply(ps.At(16 * warp * pitch + y), pitch, false, us.At(y * stride + 8 * columns * part), stride, true, valueSums, 1, columns);
                    Gpu.WarpMultiply(gs.At(16 * warp * pitch + y), pitch, false, qs.At(y * stride + 8 * columns * part), stride, true, keySums, 1, columns);
                }
            }
        }
        for (int half = 0; half < 2; half++)
        {
            int u = r + 8 * half;
            if (u0 + u < end)
            {
                for (int n = 0; n < 2 * columns; n++)
                {
                    int to = u * keyWidth + 8 * (columns * part + n / 2) + 2 * quad + n % 2, from = n / 2 * 4 + 2 * half + n % 2;
                    if (keyMode != 0)
                        Put(dk.At(keyAt), to, keySums[from] * scale, keyMode - 1);
                    if (valueMode != 0)
                        Put(dv.At(keyAt), to, valueSums[from], valueMode - 1);
                }
            }
        }
    }
}
