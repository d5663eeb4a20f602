using System.Runtime.Intrinsics;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine;

/// <summary>
/// The processor's bodies: a task takes a head of a sequence, or some of its rows where there are few heads, and walks through the chunks
/// with that state in cache. Sums over rows are made for 32 rows at a time and added in order, whoever made them.
/// </summary>
internal sealed unsafe partial class Wkv7Node
{
    private const int PartRows = 32;

    private static void ForwardOnCpu(in Wkv7Inputs inputs, Tensor? initial, Tensor y, Tensor? final, Tensor? states, Tensor? sa)
    {
        if (Vector512.IsHardwareAccelerated)
            Forward<Lanes512, Vector512<float>>(inputs, initial, y, final, states, sa);
        else if (Vector256.IsHardwareAccelerated)
            Forward<Lanes256, Vector256<float>>(inputs, initial, y, final, states, sa);
        else
            Forward<Lanes128, Vector128<float>>(inputs, initial, y, final, states, sa);
    }

    private static void Forward<L, V>(in Wkv7Inputs inputs, Tensor? initial, Tensor y, Tensor? final, Tensor? states, Tensor? sa)
        where L : struct, ILanes<V>
        where V : struct
    {
        var body = new ForwardBody<L, V>
        {
            Walk = new Walk(inputs, L.Width), Initial = Place(initial), InitialIsShared = initial?.Shape.Rank == 3,
            Y = y.F32, Final = Place(final), States = Place(states), Sa = Place(sa),
        };
        body.Walk.Pool.For(body.Walk.Tasks, ref body);
    }

    private void BackwardOnCpu(in Wkv7Inputs inputs, Tensor dy)
    {
        if (Vector512.IsHardwareAccelerated)
            Backward<Lanes512, Vector512<float>>(inputs, dy);
        else if (Vector256.IsHardwareAccelerated)
            Backward<Lanes256, Vector256<float>>(inputs, dy);
        else
            Backward<Lanes128, Vector128<float>>(inputs, dy);
    }

    private void Backward<L, V>(in Wkv7Inputs inputs, Tensor dy)
        where L : struct, ILanes<V>
        where V : struct
    {
        var walk = new Walk(inputs, L.Width);
        // Where one tensor is several inputs, each adds to what those before it wrote: v's gradient is always written first.
        GradientSlot dv = SlotOf(_v), dr = SlotOf(_r), dl = SlotOf(_l), dk = SlotOf(_k), da = SlotOf(_a), db = SlotOf(_b), ds = _initial is null ? default : SlotOf(_initial);
        var body = new BackwardBody<L, V>
        {
            Walk = walk, States = _states.F32, Sa = _sa.F32, Dy = dy.F32, Dfinal = Place(Second?.Grad), Dv = dv, Dr = dr, Dl = dl, Dk = dk, Da = da, Db = db, Dinitial = ds,
        };
        bool isShared = ds.To is not null && _initial!.Shape.Rank == 3, isParted = walk.Parts > 1 && body.HasSums;
        long size = (long)walk.Tokens * walk.Channels, stateSize = (long)walk.Channels * walk.N;
        float* shared = isShared ? Tape.New(new Shape(walk.Sequences, walk.Heads, walk.N, walk.N)).F32 : null;
        float* partials = isParted ? Tape.New(new Shape(walk.Parts, Quantities, walk.Tokens, walk.Channels)).F32 : null;
        if (isShared)
            body.Dinitial = new GradientSlot { To = shared };
        body.Partials = partials;
        walk.Pool.For(walk.Tasks, ref body);
        for (int q = 0; isParted && q < Quantities; q++)
            body.SlotOf(q).PutSum(walk.Pool, partials + q * size, Quantities * size, walk.Parts, size);
        if (isShared)
            ds.PutSum(walk.Pool, shared, stateSize, walk.Sequences, stateSize);
    }

    private GradientSlot SlotOf(Tensor input)
    {
        Tensor? gradient = GradOf(input, out bool adds);
        return new GradientSlot { To = Place(gradient), Adds = adds };
    }

    private static float* Place(Tensor? tensor) => tensor is null ? null : tensor.F32;

    private readonly struct Yes : IConstant
    {
        public static int Value => 1;
    }

    private readonly struct No : IConstant
    {
        public static int Value => 0;
    }

    private struct ForwardBody<L, V> : IParallelBody
        where L : struct, ILanes<V>
        where V : struct
    {
        public Walk Walk;
        public float* Initial, Y, Final, States, Sa;
        public bool InitialIsShared;

        public readonly void Run(int index)
        {
            Walk.Task task = Walk.Locate(index);
            int width = Walk.Width, stride = task.Stride;
            using ScratchSet.Lease lease = Walk.Pool.Scratch.Rent((nuint)(stride * width + Walk.TokenFloats + 3 * ChunkTokens * stride) * sizeof(float));
            float* s = (float*)lease.Data, token = s + stride * width, v = token + Walk.TokenFloats, y = v + ChunkTokens * stride, sa = y + ChunkTokens * stride;
            Walk.LoadRows(Initial is null ? null : Initial + Walk.StateAt(InitialIsShared ? 0 : task.Sequence, task.Head), task.From, task.Rows, s, stride);
            for (int t = task.Start, chunk = task.Chunk; t < task.End; t += ChunkTokens, chunk++)
            {
                int count = Math.Min(ChunkTokens, task.End - t);
                Walk.PackTokens(token, t, count, task.Head);
                Walk.PackValues(Walk.V, task, t, count, v);
                for (int i = 0; i < stride; i += 4)
                {
                    if (States is not null)
                        Walk.KeepRows(s + i * width, task.From + i, Math.Min(4, task.Rows - i), States + Walk.StateAt(chunk, task.Head));
                    Wkv7Rows<L, V>.Forward(s + i * width, token, count, width, v + i, y + i, sa + i, stride);
                    FetchAhead(task, t + ChunkTokens, i);
                }
                Walk.PutValues(y, task, t, count, new GradientSlot { To = Y });
                Walk.PutValues(sa, task, t, count, new GradientSlot { To = Sa });
            }
            if (Final is not null)
                Walk.StoreRows(s, task.From, task.Rows, new GradientSlot { To = Final + Walk.StateAt(task.Sequence, task.Head) });
        }

        // With every four rows its share of the next chunk
        private readonly void FetchAhead(in Walk.Task task, int first, int row)
        {
            for (int t = first + row * ChunkTokens / task.Stride; t < Math.Min(task.End, first + (row + 4) * ChunkTokens / task.Stride); t++)
            {
                Walk.Fetch(t, task.Head);
                Walk.Fetch(Y, t, task.Head);
                Walk.Fetch(Sa, t, task.Head);
            }
        }
    }

    private struct BackwardBody<L, V> : IParallelBody
        where L : struct, ILanes<V>
        where V : struct
    {
        public Walk Walk;
        public float* States, Sa, Dy, Dfinal, Partials;
        public GradientSlot Dv, Dr, Dl, Dk, Da, Db, Dinitial;

        /// <summary>Whether any gradient that is a sum over rows is wanted.</summary>
        public readonly bool HasSums => Dr.To is not null || Dl.To is not null || Dk.To is not null || Da.To is not null || Db.To is not null;

        /// <summary>Where the sums of r, logDecay, k, a or b go.</summary>
        public readonly GradientSlot SlotOf(int quantity) => quantity switch { 0 => Dr, 1 => Dl, 2 => Dk, 3 => Da, _ => Db };

        public readonly void Run(int index)
        {
            Walk.Task task = Walk.Locate(index);
            int width = Walk.Width, stride = task.Stride, values = ChunkTokens * stride;
            using ScratchSet.Lease lease = Walk.Pool.Scratch.Rent((nuint)(stride * width + 4 * (ChunkTokens + 1) * width + 3 * Walk.TokenFloats + 4 * values) * sizeof(float));
            float* g = (float*)lease.Data, history = g + stride * width, token = history + 4 * (ChunkTokens + 1) * width;
            float* sums = token + Walk.TokenFloats, more = sums + Walk.TokenFloats, v = more + Walk.TokenFloats, dy = v + values, sa = dy + values, dv = sa + values;
            bool hasSums = HasSums;
            Walk.LoadRows(Dfinal is null ? null : Dfinal + Walk.StateAt(task.Sequence, task.Head), task.From, task.Rows, g, stride);
            for (int chunk = ChunksOf(task.End - task.Start) - 1; chunk >= 0; chunk--)
            {
                int t = task.Start + chunk * ChunkTokens, count = Math.Min(ChunkTokens, task.End - t);
                Walk.PackTokens(token, t, count, task.Head);
                Walk.PackValues(Walk.V, task, t, count, v);
                Walk.PackValues(Dy, task, t, count, dy);
                Walk.PackValues(Sa, task, t, count, sa);
                for (int part = 0; part < stride; part += PartRows)
                {
                    float* sum = part == 0 ? sums : more;
                    if (hasSums)
                        new Span<float>(sum, Walk.TokenFloats).Clear();
                    for (int i = part; i < Math.Min(part + PartRows, stride); i += 4)
                    {
                        if (!hasSums)
                        {
                            Wkv7Rows<L, V>.Backward<No>(g + i * width, null, token, null, count, width, v + i, dy + i, sa + i, dv + i, stride);
                            continue;
                        }
                        Walk.LoadRows(States + Walk.StateAt(task.Chunk + chunk, task.Head), task.From + i, Math.Min(4, task.Rows - i), history, 4);
                        Wkv7Rows<L, V>.Replay(history, token, count, width, v + i, sa + i, stride);
                        Wkv7Rows<L, V>.Backward<Yes>(g + i * width, history, token, sum, count, width, v + i, dy + i, sa + i, dv + i, stride);
                        if (chunk > 0)
                            FetchAhead(task, chunk - 1, i);
                    }
                    if (hasSums)
                        Walk.ScaleByDecay(sum, token, count);
                    if (hasSums && part > 0)
                        Simd.Add(sums, more, (long)count * Quantities * width);
                }
                Walk.PutValues(dv, task, t, count, Dv);
                for (int q = 0; hasSums && q < Quantities; q++)
                    Walk.PutTokens(sums + q * width, t, count, task.Head, Partials is null ? SlotOf(q) : Walk.PartialOf(Partials, task, q));
            }
            if (Dinitial.To is not null)
                Walk.StoreRows(g, task.From, task.Rows, Dinitial with { To = Dinitial.To + Walk.StateAt(task.Sequence, task.Head) });
        }

        // As in forward, with the kept states and the places of the results
        private readonly void FetchAhead(in Walk.Task task, int chunk, int row)
        {
            Walk.Fetch(States + Walk.StateAt(task.Chunk + chunk, task.Head) + (task.From + row) * Walk.N, Math.Min(4, task.Rows - row) * Walk.N);
            int first = task.Start + chunk * ChunkTokens;
            for (int t = first + row * ChunkTokens / task.Stride; t < first + (row + 4) * ChunkTokens / task.Stride; t++)
            {
                Walk.Fetch(t, task.Head);
                Walk.Fetch(Dy, t, task.Head);
                Walk.Fetch(Sa, t, task.Head);
                Walk.Fetch(Dv.To, t, task.Head);
                Walk.Fetch(Dr.To, t, task.Head);
                Walk.Fetch(Dl.To, t, task.Head);
                Walk.Fetch(Dk.To, t, task.Head);
                Walk.Fetch(Da.To, t, task.Head);
                Walk.Fetch(Db.To, t, task.Head);
            }
        }
    }
}
