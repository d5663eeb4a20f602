using System.Numerics;
using System.Runtime.Intrinsics.X86;
using Marrow.Engine.Cpu;
using Marrow.Engine.Devices.Cpu;

namespace Marrow.Engine;

internal sealed unsafe partial class Wkv7Node
{
    // r w k a b: what a token is made of in work memory, and what sums over rows there are
    private const int Quantities = 5;

    /// <summary>The inputs on the processor, how they are shared out, and the copies between them and the padded rows that the inner loops work on.</summary>
    private readonly struct Walk
    {
        public readonly float* R, L, K, V, A, B;
        public readonly WorkerPool Pool;

        /// <summary>n, and n up to whole vectors.</summary>
        public readonly int N, Width;

        public readonly int Sequences, Heads, Tokens, Channels;

        /// <summary>Tasks of one head: more than one where there are few heads for many threads.</summary>
        public readonly int Parts;

        private readonly int* _starts;

        public Walk(in Wkv7Inputs inputs, int lanes)
        {
            R = inputs.R.F32;
            L = inputs.L.F32;
            K = inputs.K.F32;
            V = inputs.V.F32;
            A = inputs.A.F32;
            B = inputs.B.F32;
            (Sequences, Heads, Tokens, Channels, N) = (inputs.Sequences, inputs.Heads, inputs.Tokens, inputs.Channels, inputs.N);
            Pool = ((CpuDevice)inputs.R.Device).Pool;
            Width = (N + lanes - 1) / lanes * lanes;
            _starts = inputs.Starts.I32;
            int filled = 0;
            for (int s = 0; s < Sequences; s++)
                filled += _starts[s + 1] > _starts[s] ? 1 : 0;
            Parts = Pool.Threads > 1 && filled * Heads < 2 * Pool.Threads ? (N + PartRows - 1) / PartRows : 1;
        }

        public int Tasks => Sequences * Heads * Parts;

        /// <summary>Floats of a chunk's tokens with the one behind the last.</summary>
        public int TokenFloats => (ChunkTokens + 1) * Quantities * Width;

        public Task Locate(int index)
        {
            int part = index % Parts, s = index / Parts / Heads, from = part * PartRows;
            return new Task(s, index / Parts % Heads, part, from, Parts == 1 ? N : Math.Min(PartRows, N - from), _starts[s], _starts[s + 1], _starts[s] / ChunkTokens + s);
        }

        /// <summary>The first element of a head's state among [count, heads, n, n].</summary>
        public long StateAt(int index, int head) => ((long)index * Heads + head) * N * N;

        /// <summary>Copies r, exp(logDecay), k, a and b of a head's tokens side by side, and puts the one without effect behind them.</summary>
        public void PackTokens(float* to, int first, int count, int head)
        {
            for (int t = 0; t < count; t++, to += Quantities * Width)
            {
                long at = (long)(first + t) * Channels + head * N;
                Pack(R + at, to);
                Pack(L + at, to + Width);
                for (int j = 0; j < Width; j += Simd.Width)
                    Simd.Exp(Vector.Load(to + Width + j)).Store(to + Width + j);
                Pack(K + at, to + 2 * Width);
                Pack(A + at, to + 3 * Width);
                Pack(B + at, to + 4 * Width);
            }
            new Span<float>(to, Quantities * Width).Clear();
            new Span<float>(to + Width, Width).Fill(1f);
        }

        /// <summary>Asks for a token's inputs ahead of their use: rows of one head lie too far apart for the processor to foresee them.</summary>
        public void Fetch(int t, int head)
        {
            Fetch(R, t, head);
            Fetch(L, t, head);
            Fetch(K, t, head);
            Fetch(V, t, head);
            Fetch(A, t, head);
            Fetch(B, t, head);
        }

        public void Fetch(float* x, int t, int head)
        {
            if (x is not null)
                Fetch(x + (long)t * Channels + head * N, N);
        }

        public static void Fetch(float* x, int count)
        {
            for (int j = 0; Sse.IsSupported && j < count; j += 16)
                Sse.Prefetch1(x + j);
        }

        /// <summary>Copies what the tokens have for a task's rows (v, dy, sa), zeros beside them.</summary>
        public void PackValues(float* from, in Task task, int first, int count, float* to)
        {
            for (int t = 0; t < count; t++, to += task.Stride)
            {
                new ReadOnlySpan<float>(from + (long)(first + t) * Channels + task.Head * N + task.From, task.Rows).CopyTo(new Span<float>(to, task.Rows));
                new Span<float>(to + task.Rows, task.Stride - task.Rows).Clear();
            }
        }

        public void PutValues(float* from, in Task task, int first, int count, GradientSlot to)
        {
            for (int t = 0; t < count; t++)
                to.Put((long)(first + t) * Channels + task.Head * N + task.From, from + t * task.Stride, task.Rows);
        }

        public void PutTokens(float* from, int first, int count, int head, GradientSlot to)
        {
            for (int t = 0; t < count; t++)
                to.Put((long)(first + t) * Channels + head * N, from + t * Quantities * Width, N);
        }

        /// <summary>Where a task that has not all rows leaves a sum: [parts, quantities, tokens, channels].</summary>
        public GradientSlot PartialOf(float* partials, in Task task, int quantity) => new() { To = partials + ((long)task.Part * Quantities + quantity) * Tokens * Channels };

        /// <summary>The gradient of the decay to that of its logarithm.</summary>
        public void ScaleByDecay(float* sums, float* token, int count)
        {
            for (int t = 0; t < count; t++, sums += Quantities * Width, token += Quantities * Width)
                for (int j = Width; j < 2 * Width; j += Simd.Width)
                    (Vector.Load(sums + j) * Vector.Load(token + j)).Store(sums + j);
        }

        /// <summary>Copies rows of a state [n, n], null for zeros, and zeros up to <paramref name="padded"/> rows.</summary>
        public void LoadRows(float* state, int first, int rows, float* to, int padded)
        {
            for (int i = 0; i < rows && state is not null; i++)
                Pack(state + (long)(first + i) * N, to + i * Width);
            int filled = state is null ? 0 : Math.Max(rows, 0);
            new Span<float>(to + filled * Width, (padded - filled) * Width).Clear();
        }

        public void StoreRows(float* from, int first, int rows, GradientSlot to)
        {
            for (int i = 0; i < rows; i++)
                to.Put((long)(first + i) * N, from + i * Width, N);
        }

        /// <summary>As <see cref="StoreRows"/>, past the caches: kept states are not read before backward.</summary>
        public void KeepRows(float* from, int first, int rows, float* to)
        {
            if (N != Width)
            {
                StoreRows(from, first, rows, new GradientSlot { To = to });
                return;
            }
            for (int j = 0; j < rows * N; j += Simd.Width)
                Vector.Load(from + j).StoreAlignedNonTemporal(to + (long)first * N + j);
        }

        private void Pack(float* from, float* to)
        {
            new ReadOnlySpan<float>(from, N).CopyTo(new Span<float>(to, N));
            new Span<float>(to + N, Width - N).Clear();
        }

        /// <summary>Rows of one head of a sequence; chunk: the number of the sequence's first kept state.</summary>
        public readonly record struct Task(int Sequence, int Head, int Part, int From, int Rows, int Start, int End, int Chunk)
        {
            /// <summary>The rows up to a multiple of four.</summary>
            public int Stride => (Rows + 3) / 4 * 4;
        }
    }
}
