using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine;

/// <summary>
/// The processor's launches: a task takes a head of a sequence, or some rows of its state where there are few heads, and walks through the
/// chunks with that state in cache. Sums over rows are made for 32 rows at a time and added in order, whoever made them.
/// </summary>
internal sealed unsafe partial class Wkv6Node
{
    private const int PartRows = 32;

    private static Tensor? ForwardOnCpu(in Wkv6Inputs inputs, Tensor? initial, Tensor y, Tensor? final, bool keeps)
    {
        int n = inputs.N;
        if (IsWide(n))
            return Forward<Lanes512, Vector512<float>>(inputs, initial, y, final, keeps);
        return Vector256.IsHardwareAccelerated ? Forward<Lanes256, Vector256<float>>(inputs, initial, y, final, keeps)
            : Forward<Lanes128, Vector128<float>>(inputs, initial, y, final, keeps);
    }

    private static Tensor? Forward<L, V>(in Wkv6Inputs inputs, Tensor? initial, Tensor y, Tensor? final, bool keeps)
        where L : struct, ILanes<V>
        where V : struct
    {
        var walk = new Walk(inputs, L.Width);
        Tensor? states = keeps ? y.Tape!.New(new Shape(walk.StateSlots, walk.Heads, walk.Width, walk.Width)) : null;
        var body = new ForwardBody<L, V>
        {
            Walk = walk, Initial = Place(initial), InitialIsShared = initial?.Shape.Rank == 3, Y = y.F32, Final = Place(final), States = Place(states),
            // Columns of the transposed state depend on no other: any cut gives the same bits.
            Parts = walk.LacksTasks ? walk.Width / L.Width : 1,
        };
        walk.Pool.For(walk.Sequences * walk.Heads * body.Parts, ref body);
        return states;
    }

    private void BackwardOnCpu(Tensor dy)
    {
        if (IsWide(_inputs.N))
            Backward<Lanes512, Vector512<float>>(dy);
        else if (Vector256.IsHardwareAccelerated)
            Backward<Lanes256, Vector256<float>>(dy);
        else
            Backward<Lanes128, Vector128<float>>(dy);
    }

    private void Backward<L, V>(Tensor dy)
        where L : struct, ILanes<V>
        where V : struct
    {
        var walk = new Walk(_inputs, L.Width);
        int sequences = walk.Sequences, heads = walk.Heads, n = walk.N, parts = walk.LacksTasks ? (n + PartRows - 1) / PartRows : 1;
        // Where one tensor is several inputs, each adds to what those before it wrote: v's gradient is always written first.
        GradientSlot dv = SlotOf(_inputs.V), dr = SlotOf(_inputs.R), dk = SlotOf(_inputs.K), dl = SlotOf(_inputs.L), du = SlotOf(_inputs.U);
        GradientSlot initial = _initial is null ? default : SlotOf(_initial), each = initial;
        var body = new BackwardBody<L, V>
        {
            Walk = walk, Parts = parts, States = _states.F32, Dy = dy.F32, Dfinal = Place(Second?.Grad), Dv = dv, Dr = dr, Dk = dk, Dl = dl,
        };
        body.HasSums = dv.To is not null || dr.To is not null || dk.To is not null || dl.To is not null || du.To is not null;
        long size = (long)walk.Tokens * walk.Channels, stateSize = (long)walk.Channels * n;
        bool isShared = initial.To is not null && _initial!.Shape.Rank == 3, isParted = parts > 1 && body.HasSums;
        if (isShared)
            each = new GradientSlot { To = Tape.New(new Shape(sequences, heads, n, n)).F32 };
        body.Dinitial = each;
        float* bonus = du.To is null ? null : Tape.New(new Shape(sequences, walk.Channels)).F32;
        float* partials = isParted ? Tape.New(new Shape(parts, 3, walk.Tokens, walk.Channels)).F32 : null;
        body.Du = new GradientSlot { To = bonus };
        body.Partials = partials;
        walk.Pool.For(sequences * heads * parts, ref body);
        if (isParted)
        {
            dr.PutSum(walk.Pool, partials, 3 * size, parts, size);
            dk.PutSum(walk.Pool, partials + size, 3 * size, parts, size);
            dl.PutSum(walk.Pool, partials + 2 * size, 3 * size, parts, size);
        }
        du.PutSum(walk.Pool, bonus, walk.Channels, sequences, walk.Channels);
        if (isShared)
            initial.PutSum(walk.Pool, each.To, stateSize, sequences, stateSize);
    }

    private GradientSlot SlotOf(Tensor input)
    {
        Tensor? gradient = GradOf(input, out bool adds);
        return new GradientSlot { To = Place(gradient), Adds = adds };
    }

    // Heads of eight channels would fill half of the widest vectors.
    private static bool IsWide(int n) => Vector512.IsHardwareAccelerated && n > Vector256<float>.Count;

    private static float* Place(Tensor? tensor) => tensor is null ? null : tensor.F32;

    /// <summary>The inputs on the processor, and their copies into padded work memory.</summary>
    private readonly struct Walk
    {
        public readonly float* R, L, K, V, U;
        public readonly int* Starts;
        public readonly WorkerPool Pool;

        /// <summary>n, and n up to whole vectors and blocks of keys.</summary>
        public readonly int N, Width;

        public readonly int Sequences, Heads, Tokens, Channels;

        /// <summary>Whether whole heads would leave threads idle.</summary>
        public readonly bool LacksTasks;

        public Walk(in Wkv6Inputs inputs, int lanes)
        {
            R = inputs.R.F32;
            L = inputs.L.F32;
            K = inputs.K.F32;
            V = inputs.V.F32;
            U = inputs.U.F32;
            Starts = inputs.Starts.I32;
            (Sequences, Heads, Tokens, Channels, N) = (inputs.Sequences, inputs.Heads, inputs.Tokens, inputs.Channels, inputs.N);
            Pool = ((CpuDevice)inputs.R.Device).Pool;
            int unit = Math.Max(lanes, 8);
            Width = (N + unit - 1) / unit * unit;
            LacksTasks = Pool.Threads > 1 && Math.Min(Sequences, Tokens) * Heads < 2 * Pool.Threads;
        }

        /// <summary>Enough places for the kept states of all sequences: those of sequence s begin at <see cref="SlotOf"/>.</summary>
        public int StateSlots => Tokens / ChunkTokens + Sequences;

        public int SlotOf(int sequence) => Starts[sequence] / ChunkTokens + sequence;

        public long At(int token, int head) => (long)token * Channels + head * N;

        /// <summary>A head's state among [count, heads, size, size].</summary>
        public long StateAt(int index, int head, int size) => ((long)index * Heads + head) * size * size;

        /// <summary>Asks for a head's part of rows ahead of their use: they lie too far apart for the processor to foresee them.</summary>
        public void Fetch(float* rows, int first, int end, int head)
        {
            if (!Sse.IsSupported || rows is null)
                return;
            for (int t = first; t < end; t++)
            {
                float* row = rows + At(t, head);
                for (int j = 0; j < N; j += 16)
                    Sse.Prefetch1(row + j);
            }
        }

        /// <summary>Copies r, exp(logDecay) and k of a token, zeros up to Width behind each.</summary>
        public void Pack(int token, int head, float* to)
        {
            long at = At(token, head);
            Pad(R + at, N, to, Width);
            Pad(L + at, N, to + Width, Width);
            Simd.ExpSum(to + Width, 1f, 0f, N);
            Pad(K + at, N, to + 2 * Width, Width);
        }

        /// <summary>Copies <paramref name="n"/> values and zeros up to <paramref name="width"/>.</summary>
        public static void Pad(float* from, int n, float* to, int width)
        {
            new ReadOnlySpan<float>(from, n).CopyTo(new Span<float>(to, n));
            if (width > n)
                new Span<float>(to + n, width - n).Clear();
        }
    }
}
