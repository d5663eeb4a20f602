using System.Numerics;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>Which kernels attention launches, in tiles of which size.</summary>
internal sealed unsafe partial class AttentionNode
{
    // More new rows than this go by tiles, so that keys are read once for many rows.
    public const int FewRows = 8;
    private const int CachedChunk = 256;

    // What GPUs give a group without asking: more would cost groups that run at the same time. Processors have it in their caches.
    private const int MostShared = 48 << 10;

    // Sums of four channels that a lane may hold: more take a compiler very long and do not stay in registers.
    private const int MostSums = 64;

    private static readonly Kernel Forwards = Kernel.Of(typeof(AttentionNode), nameof(ForwardTile));
    private static readonly Kernel ForwardUnits = Kernel.Of(typeof(AttentionNode), nameof(ForwardMatrix));
    private static readonly Kernel Deltas = Kernel.Of(typeof(AttentionNode), nameof(Delta));
    private static readonly Kernel QueryGradients = Kernel.Of(typeof(AttentionNode), nameof(QueryGradientTile));
    private static readonly Kernel QueryGradientUnits = Kernel.Of(typeof(AttentionNode), nameof(QueryGradientMatrix));
    private static readonly Kernel KeyGradients = Kernel.Of(typeof(AttentionNode), nameof(KeyGradientTile));
    private static readonly Kernel KeyGradientUnits = Kernel.Of(typeof(AttentionNode), nameof(KeyGradientMatrix));
    private static readonly Kernel Cached = Kernel.Of(typeof(AttentionNode), nameof(CachedRow));

    // From the best to the one that fits everywhere: the first that fits the shared memory is taken.
    private static readonly Tile[] Tiles = [new(128, 8, 4, 4), new(64, 8, 4, 4), new(64, 8, 4, 2), new(64, 8, 2, 2), new(32, 8, 2, 1), new(8, 4, 1, 1)];

    // On a processor a lane is a turn of a loop: few lanes, not larger tiles than PoCL compiles in a second or two. (16, 2, 4, 8) is a quarter faster and takes half as long again to compile.
    private static readonly Tile[] ProcessorTiles = [new(16, 4, 4, 4), new(16, 4, 4, 2), new(8, 4, 1, 1)];
    private static readonly UnitTile[] UnitTiles = [new(128, 1, 8), new(128, 1, 4), new(128, 2, 2), new(128, 2, 1), new(64, 2, 1)];

    /// <summary>A group's work in <see cref="ForwardTile"/> and its gradients: Lanes / Across lanes below each other with Tall rows each, Across lanes beside each other with Wide columns each.</summary>
    private readonly record struct Tile(int Lanes, int Across, int Tall, int Wide)
    {
        public int Rows => Tall * (Lanes / Across);

        public int Columns(int d) => ((d + 3) / 4 + Across - 1) / Across;

        /// <summary>Shared memory for tiles of <paramref name="own"/> and <paramref name="passing"/> tensors and as many tiles of <paramref name="scores"/>.</summary>
        public int Bytes(int d, int own, int passing, int scores)
        {
            int passingRows = Wide * Across;
            return 4 * ((own * Rows + passing * passingRows) * (4 * Across * Columns(d) + 4) + scores * Rows * (passingRows + 4) + 2 * passingRows + Tall * Lanes);
        }
    }

    /// <summary>A group's work in <see cref="ForwardMatrix"/> and its gradients: Split warps share 16 rows, each with Count tiles of eight columns.</summary>
    private readonly record struct UnitTile(int Lanes, int Split, int Count)
    {
        public int Rows => Lanes / 2 / Split;

        public int Bytes(int d, int own, int passing, int scores)
        {
            int passingRows = 8 * Count * Split;
            return 2 * ((own * Rows + passing * passingRows) * (d + 8) + scores * Rows * (passingRows + 8)) + 8 * passingRows + 8 * Lanes;
        }
    }

    /// <summary>Whether matrix units can serve: bf16 activations and whole tiles of channels.</summary>
    internal static bool UsesUnits(KernelDevice gpu, Tensor q, AttentionShape form) =>
        gpu.Dialect.MatrixUnits && q.DType == DType.BF16 && form.HeadDim % 16 == 0 && form.HeadDim <= 256;

    /// <summary>Attention of packed rows, or of new rows over a cache that holds <paramref name="first"/> positions (starts is then [0, rows]).</summary>
    internal static void LaunchForward(KernelDevice gpu, Tensor q, Tensor k, Tensor v, Tensor starts, Tensor o, Tensor lse, AttentionShape form, int first, bool units)
    {
        int rows = q.Shape.Rows, sequences = starts.Shape.Elements - 1, d = form.HeadDim, window = Window(form, first + rows);
        if (units)
        {
            UnitTile tile = FittingUnits(gpu, d, 1, 2, 1);
            gpu.Launch(ForwardUnits, GridOf(tile.Lanes, tile.Rows, rows, sequences, form.Heads), q, k, v, starts, o, lse,
                sequences, rows, first, form.Heads, form.Heads / form.KvHeads, window, form.Scale, form.Cap, d, tile.Split, tile.Count, d / 8 / tile.Split, Capped(form));
        }
        else
        {
            Tile tile = Fitting(gpu, d, 1, 2, 1);
            gpu.Launch(Forwards, GridOf(tile.Lanes, tile.Rows, rows, sequences, form.Heads), q, k, v, starts, o, lse,
                sequences, rows, first, form.Heads, form.Heads / form.KvHeads, window, form.Scale, form.Cap, d, tile.Across, tile.Tall, tile.Wide, tile.Columns(d), Capped(form));
        }
    }

    /// <summary>delta = Σ do∘o of each row and head; delta: [Heads, N] fp32.</summary>
    internal static void LaunchDelta(KernelDevice gpu, Tensor o, Tensor upstream, Tensor delta, AttentionShape form)
    {
        int rows = delta.Shape.Last;
        gpu.Launch(Deltas, Grid.Over(8L * rows * form.Heads, Math.Min(128, gpu.Capabilities.MaxLanes)), o, upstream, delta, rows, form.Heads, form.HeadDim);
    }

    /// <summary>dq, written or added.</summary>
    internal static void LaunchQueryGradient(KernelDevice gpu, Tensor q, Tensor k, Tensor v, Tensor starts, Tensor lse, Tensor delta, Tensor upstream, Tensor dq, bool add, AttentionShape form, bool units)
    {
        int rows = q.Shape.Rows, sequences = starts.Shape.Elements - 1, d = form.HeadDim, window = Window(form, rows);
        if (units)
        {
            UnitTile tile = FittingUnits(gpu, d, 2, 2, 1);
            gpu.Launch(QueryGradientUnits, GridOf(tile.Lanes, tile.Rows, rows, sequences, form.Heads), q, k, v, starts, lse, delta, upstream, dq, add ? 1 : 0,
                sequences, rows, form.Heads, form.Heads / form.KvHeads, window, form.Scale, form.Cap, d, tile.Split, tile.Count, d / 8 / tile.Split, Capped(form));
        }
        else
        {
            Tile tile = Fitting(gpu, d, 2, 2, 1);
            gpu.Launch(QueryGradients, GridOf(tile.Lanes, tile.Rows, rows, sequences, form.Heads), q, k, v, starts, lse, delta, upstream, dq, add ? 1 : 0,
                sequences, rows, form.Heads, form.Heads / form.KvHeads, window, form.Scale, form.Cap, d, tile.Across, tile.Tall, tile.Wide, tile.Columns(d), Capped(form));
        }
    }

    /// <summary>dk and dv, each absent, written or added.</summary>
    internal static void LaunchKeyGradients(KernelDevice gpu, Tensor q, Tensor k, Tensor v, Tensor starts, Tensor lse, Tensor delta, Tensor upstream, Tensor? dk, bool addKeys, Tensor? dv, bool addValues,
        AttentionShape form, bool units)
    {
        if ((dk ?? dv) is not { } any)
            return;
        int rows = q.Shape.Rows, sequences = starts.Shape.Elements - 1, d = form.HeadDim, window = Window(form, rows);
        int keyMode = dk is null ? 0 : addKeys ? 2 : 1, valueMode = dv is null ? 0 : addValues ? 2 : 1;
        if (units)
        {
            UnitTile tile = FittingUnits(gpu, d, 2, 2, 2);
            gpu.Launch(KeyGradientUnits, GridOf(tile.Lanes, tile.Rows, rows, sequences, form.KvHeads), q, k, v, starts, lse, delta, upstream, dk ?? any, dv ?? any, keyMode, valueMode,
                sequences, rows, form.Heads, form.Heads / form.KvHeads, window, form.Scale, form.Cap, d, tile.Split, tile.Count, d / 8 / tile.Split, Capped(form));
        }
        else
        {
            Tile tile = Fitting(gpu, d, 2, 2, 2);
            gpu.Launch(KeyGradients, GridOf(tile.Lanes, tile.Rows, rows, sequences, form.KvHeads), q, k, v, starts, lse, delta, upstream, dk ?? any, dv ?? any, keyMode, valueMode,
                sequences, rows, form.Heads, form.Heads / form.KvHeads, window, form.Scale, form.Cap, d, tile.Across, tile.Tall, tile.Wide, tile.Columns(d), Capped(form));
        }
    }

    /// <summary>Attention of new rows over a cache that holds <paramref name="first"/> positions before them.</summary>
    internal static void LaunchCached(KernelDevice gpu, Tensor q, Tensor k, Tensor v, Tensor o, int first, AttentionShape form)
    {
        int d = form.HeadDim, lanes = gpu.Capabilities.IsCpu ? 16 : Math.Min(d > 128 ? 256 : 128, gpu.Capabilities.MaxLanes), parts = 1;
        while (lanes / (2 * parts) >= d)
            parts *= 2;
        gpu.Launch(Cached, new Grid(lanes, form.Heads * q.Shape.Rows), q, k, v, o, first, form.Heads, form.Heads / form.KvHeads, Window(form, first + q.Shape.Rows), form.Scale, form.Cap,
            d, CachedChunk, parts, (d + lanes - 1) / lanes, Capped(form));
    }

    // The gradient of one tensor may be that of another too: each place is asked for when what is before it has been queued.
    private void LaunchBackward(KernelDevice gpu, Tensor grad)
    {
        bool units = UsesUnits(gpu, Q, Form);
        Tensor delta = Tape.New(Lse.Shape);
        LaunchDelta(gpu, O, grad, delta, Form);
        if (GradOf(Q, out bool add) is { } dq)
            LaunchQueryGradient(gpu, Q, K, V, Starts, Lse, delta, grad, dq, add, Form, units);
        Tensor? dk = GradOf(K, out bool addKeys);
        bool apart = K == V;
        if (apart)
            LaunchKeyGradients(gpu, Q, K, V, Starts, Lse, delta, grad, dk, addKeys, null, false, Form, units);
        Tensor? dv = GradOf(V, out bool addValues);
        LaunchKeyGradients(gpu, Q, K, V, Starts, Lse, delta, grad, apart ? null : dk, addKeys, dv, addValues, Form, units);
    }

    // Tile numbers as SequenceOf counts them: each sequence may end with a part of a tile.
    private static Grid GridOf(int lanes, int tileRows, int rows, int sequences, int heads) => new(lanes, checked((rows / tileRows + sequences) * heads));

    // A cap is compiled in: kernels of models without one do not have it.
    private static int Capped(AttentionShape form) => form.Cap > 0 ? 1 : 0;

    private static int Window(AttentionShape form, int rows) => Math.Min(form.Window ?? rows, rows);

    private static int Shared(KernelDevice gpu) => gpu.Capabilities.IsCpu ? gpu.Capabilities.SharedBytes : Math.Min(MostShared, gpu.Capabilities.SharedBytes);

    private static Tile Fitting(KernelDevice gpu, int d, int own, int passing, int scores)
    {
        foreach (Tile tile in gpu.Capabilities.IsCpu ? ProcessorTiles : Tiles)
        {
            if (tile.Lanes <= gpu.Capabilities.MaxLanes && tile.Tall * tile.Columns(d) <= MostSums && tile.Bytes(d, own, passing, scores) <= Shared(gpu))
                return tile;
        }
        throw TooWide(gpu, d);
    }

    private static UnitTile FittingUnits(KernelDevice gpu, int d, int own, int passing, int scores)
    {
        foreach (UnitTile tile in UnitTiles)
        {
            if (tile.Lanes <= gpu.Capabilities.MaxLanes && d / 8 / tile.Split <= 16 && tile.Bytes(d, own, passing, scores) <= Shared(gpu))
                return tile;
        }
        throw TooWide(gpu, d);
    }

    private static MarrowException TooWide(KernelDevice gpu, int d) => new("E111", $"attention: heads of {d} channels do not fit the {gpu.Capabilities.SharedBytes} bytes of shared memory of {gpu.Name}. Use --device cpu. [E111]");

    // One new row of one head: a chunk of scores, one key to a lane; then the chunk's values, one channel to a lane, in as many parts as lanes are left over.
    [Kernel]
    private static void CachedRow<T, U>(View<T> q, View<U> k, View<U> v, View<T> o, int first, int heads, int group, int window, float scale, float cap,
        [Const(64)] int d, [Const(256)] int chunk, [Const(2)] int parts, [Const(1)] int columns, [Const(1)] int capped) where T : unmanaged where U : unmanaged
    {
        int head = Gpu.Group % heads, row = Gpu.Group / heads, position = first + row, keyWidth = heads / group * d;
        int span = Gpu.Lanes / parts, part = Gpu.Lane / span, x0 = Gpu.Lane % span;
        Shared<float> qs = Gpu.Shared<float>((d + 3) / 4 * 4);
        Shared<float> ps = Gpu.Shared<float>(chunk);
        Shared<float> exchange = Gpu.Shared<float>(Gpu.Lanes);
        Private<float> sums = Gpu.Private<float>(columns);
        long at = ((long)row * heads + head) * d;
        for (int x = Gpu.Lane; x < (d + 3) / 4 * 4; x += Gpu.Lanes)
            qs[x] = x < d ? q.At(at).Load(x) * scale : 0f;
        Gpu.Barrier();
        float top = Hidden, mass = 0f;
        for (int u0 = Math.Max(0, position - window + 1); u0 <= position; u0 += chunk)
        {
            long keyAt = (long)u0 * keyWidth + head / group * d;
            int count = Math.Min(chunk, position + 1 - u0);
            float most = Hidden;
            for (int n = Gpu.Lane; n < count; n += Gpu.Lanes)
            {
                View<U> key = k.At(keyAt + (long)n * keyWidth);
                Vector4 dot = Vector4.Zero;
                for (int x = 0; x < d; x += 4)
                    dot += Quad(key, x, d - x, d) * qs.Load4(x);
                float score = Score(dot, cap, capped);
                ps[n] = score;
                most = MathF.Max(most, score);
            }
            most = MathF.Max(top, Gpu.GroupMax(most));
            float shrink = MathF.Exp(top - most);
            top = most;
            mass *= shrink;
            for (int n = Gpu.Lane; n < count; n += Gpu.Lanes)
            {
                float weight = MathF.Exp(ps[n] - top);
                ps[n] = weight;
                mass += weight;
            }
            Gpu.Barrier();
            View<U> values = v.At(keyAt);
            for (int m = 0; m < columns; m++)
            {
                int x = x0 + m * Gpu.Lanes;
                if (x < d)
                {
                    float sum = sums[m] * shrink;
                    for (int n = part; n < count; n += parts)
                        sum += ps[n] * values.Load(n * keyWidth + x);
                    sums[m] = sum;
                }
            }
            Gpu.Barrier();
        }
        float whole = Gpu.GroupSum(mass);
        for (int m = 0; m < columns; m++)
        {
            int x = x0 + m * Gpu.Lanes;
            exchange[Gpu.Lane] = sums[m];
            Gpu.Barrier();
            if (part == 0 && x < d)
            {
                float sum = sums[m];
                for (int n = 1; n < parts; n++)
                    sum += exchange[n * span + x];
                o.At(at).Store(x, sum * (1f / whole));
            }
            Gpu.Barrier();
        }
    }
}
