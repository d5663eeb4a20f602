using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Cpu;

/// <summary>
/// Products with a matrix B that is stored in blocks. A task takes columns of C. Where C has few rows, <see cref="GemmRows"/> multiplies by the codes; otherwise
/// the task decodes a slab of B after the other into fp32 and multiplies by it as by any fp32 matrix. Slabs end where the sums have their runs along k, so the
/// result has the bits of the product with all of B decoded. Each block is decoded once, unless C has fewer columns than keep the threads busy.
/// </summary>
internal static unsafe class GemmSlabs
{
    // 384 KiB, beside the packed block of it in the second-level cache. Every type's blocks divide the widest's.
    private const int WidestBlock = 256, SlabElements = GemmBlock.K * WidestBlock;

    /// <summary>What decoding a value costs, in multiply-adds.</summary>
    private const double DecodeWork = 16;

    public static void Run(WorkerPool pool, in GemmCall call, bool shared)
    {
        int grain = GemmBlock.MaxTileColumns, elements = call.B.Format!.Elements;
        if (!call.B.Transposed)
            grain = Math.Max(grain, elements);
        int rows = 1, columns = 1;
        if (shared && pool.Threads > 1)
        {
            columns = Math.Min(Gemm.Tasks(pool, (call.Rows + DecodeWork) * call.Columns * call.K), (call.Columns + grain - 1) / grain);
            // Rows are cut only where columns are few: every task of the same columns decodes the same blocks.
            if (columns < pool.Threads)
                rows = Math.Clamp(call.Rows / (2 * GemmBlock.MaxTileRows), 1, (pool.Threads + columns - 1) / columns);
        }
        var grid = new Grid(pool, in call, rows, columns, grain);
        if (rows * columns == 1)
            grid.Run(0);
        else
            pool.For(rows * columns, ref grid);
    }

    private static void Serial(WorkerPool pool, in GemmCall call, int m0, int m1, int n0, int n1)
    {
        BlockFormat format = call.B.Format!;
        int elements = format.Elements, depth = GemmBlock.K;
        // Where blocks lie along k a slab is whole blocks and whole runs deep.
        while (call.B.Transposed && depth % elements != 0)
            depth += GemmBlock.K;
        int width = SlabElements / depth;
        using ScratchSet.Lease scratch = pool.Scratch.Rent(SlabElements * sizeof(float));
        float* slab = (float*)scratch.Data;
        GemmCall part = call;
        for (int n = n0; n < n1; n += width)
        {
            part.Columns = Math.Min(width, n1 - n);
            part.C = call.C + n;
            for (int k = 0; k < call.K; k += depth)
            {
                part.K = Math.Min(depth, call.K - k);
                part.Beta = k == 0 ? call.Beta : 1;
                part.A = call.A.From(0, k);
                (int first, int from, int count, int length) = call.B.Transposed ? (n, k, part.Columns, part.K) : (k, n, part.K, part.Columns);
                int stride = (length + elements - 1) / elements * elements;
                Decode(call.B, format, first, from, count, stride, slab);
                part.B = new GemmOperand(slab, stride, call.B.Transposed);
                Gemm.Serial(pool, in part, m0, m1, 0, part.Columns);
            }
        }
    }

    /// <summary>Stored rows <paramref name="first"/> … as fp32, <paramref name="length"/> values of each from <paramref name="from"/> on, both whole blocks.</summary>
    private static void Decode(GemmOperand b, BlockFormat format, int first, int from, int count, int length, float* to)
    {
        int bytes = length / format.Elements * format.Bytes;
        nint rowBytes = (nint)(b.Stride / format.Elements) * format.Bytes;
        byte* row = (byte*)b.Data + first * rowBytes + (nint)(from / format.Elements) * format.Bytes;
        for (int i = 0; i < count; i++, row += rowBytes, to += length)
            format.Decode!(new ReadOnlySpan<byte>(row, bytes), new Span<float>(to, length));
    }

    private readonly struct Grid(WorkerPool pool, in GemmCall call, int rows, int columns, int grain) : IParallelBody
    {
        private readonly GemmCall _call = call;

        public void Run(int index)
        {
            int row = index % rows, column = index / rows;
            int m0 = Gemm.Cut(row, rows, _call.Rows, GemmBlock.MaxTileRows), m1 = Gemm.Cut(row + 1, rows, _call.Rows, GemmBlock.MaxTileRows);
            int n0 = Gemm.Cut(column, columns, _call.Columns, grain), n1 = Gemm.Cut(column + 1, columns, _call.Columns, grain);
            if (_call.K == 0)
                Gemm.Serial(pool, in _call, m0, m1, n0, n1);
            else if (GemmRows.Takes(in _call))
                GemmRows.Run(pool, in _call, m0, m1, n0, n1);
            else if (m0 < m1 && n0 < n1)
                Serial(pool, in _call, m0, m1, n0, n1);
        }
    }
}
