using System.Runtime.CompilerServices;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Cpu;

/// <summary>The arguments of one product.</summary>
internal unsafe struct GemmCall
{
    public int Rows, Columns, K, StrideC;
    public float Alpha, Beta;
    public GemmOperand A, B;
    public float* C;
}

/// <summary>Block sizes, shared by all vector widths so that all sum in the same order.</summary>
internal static class GemmBlock
{
    /// <summary>A block along k. With a tile's rows of A (18 KiB) the part of B that is in use stays in the first-level cache.</summary>
    public const int K = 384;

    /// <summary>Columns of a packed block of B, 480 KiB: half a second-level cache.</summary>
    public const int N = 320;

    public const int MaxTileRows = 12;

    public const int MaxTileColumns = 32;

    /// <summary>Work memory of one thread: a block of B, a tile's rows of A, and a tile of C for the edge.</summary>
    public const nuint ScratchBytes = sizeof(float) * (K * (N + MaxTileRows) + MaxTileRows * MaxTileColumns);
}

/// <summary>
/// The blocked product for one vector width, after Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008),
/// with the two inner loops exchanged: the rows of A of one tile stay in the first-level cache while the panels of a block of B pass
/// by from the second, so that C is walked along its rows.
/// </summary>
internal static unsafe class GemmBlock<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>Steps along k that lie at most this many values apart need no packing to be near each other.</summary>
    private const int NearbyStride = 64;

    /// <summary>Up to so many tiles of rows, reading B where it stands costs less than copying it first.</summary>
    private const int FewTiles = 8;

    /// <summary>Computes the rows m0..m1 and columns n0..n1 of C with <paramref name="scratch"/> of <see cref="GemmBlock.ScratchBytes"/>.</summary>
    public static void Run(in GemmCall call, int m0, int m1, int n0, int n1, float* scratch)
    {
        var block = new Block
        {
            M = m0,
            Rows = m1 - m0,
            PackedB = scratch,
            PackedA = scratch + GemmBlock.K * GemmBlock.N,
            Edge = scratch + GemmBlock.K * (GemmBlock.N + GemmBlock.MaxTileRows),
        };
        // A narrow C has tiles one vector wide, which leaves registers for more rows.
        int tileRows = n1 - n0 <= L.Width ? GemmTile<L, V>.MaxRows : L.TileRows;
        block.Tiles = (block.Rows + tileRows - 1) / tileRows;
        block.DirectA = !call.A.IsBFloat16 && (!call.A.Transposed || call.A.Stride <= NearbyStride || block.Tiles == 1);
        block.DirectB = !call.B.IsBFloat16 && !call.B.Transposed && (call.B.Stride <= NearbyStride || block.Tiles <= FewTiles);
        for (int n = n0; n < n1; n += GemmBlock.N)
        {
            block.N = n;
            block.Columns = Math.Min(GemmBlock.N, n1 - n);
            for (int k = 0; k < call.K; k += GemmBlock.K)
            {
                block.K = k;
                block.Depth = Math.Min(GemmBlock.K, call.K - k);
                Multiply(in call, in block);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(in GemmCall call, in Block block)
    {
        const int MaxVectors = 2;
        float beta = block.K == 0 ? call.Beta : 1;
        // Packed rows are read as they were stored: one after the other, or, transposed, all together step by step.
        nint rowA = call.A.Transposed ? 1 : block.DirectA ? call.A.Stride : block.Depth;
        for (int t = 0; t < block.Tiles; t++)
        {
            // Tiles of about equal height: a last one of a row or two would wait on its own additions.
            int row = (int)((long)t * block.Rows / block.Tiles), rows = (int)((t + 1L) * block.Rows / block.Tiles) - row;
            row += block.M;
            nint stepA = !call.A.Transposed ? 1 : block.DirectA ? call.A.Stride : rows;
            float* a = block.DirectA ? (float*)call.A.At(row, block.K) : PackTile(in call, in block, row, rows);
            for (int j = 0; j < block.Columns; j += MaxVectors * L.Width)
            {
                int width = Math.Min(MaxVectors * L.Width, block.Columns - j);
                int vectors = width > L.Width ? MaxVectors : 1;
                bool whole = width == vectors * L.Width;
                float* panel = block.PackedB + (block.Tiles == 1 ? 0 : GemmBlock.K * j);
                nint stepB = vectors * L.Width;
                if (block.DirectB && whole)
                {
                    panel = (float*)call.B.At(block.K, block.N + j);
                    stepB = call.B.Stride;
                }
                else if (t == 0)
                {
                    PackPanel(in call, in block, j, width, panel, vectors * L.Width);
                }
                float* c = call.C + (nint)row * call.StrideC + block.N + j;
                if (whole)
                    GemmTile<L, V>.Run(rows, vectors, block.Depth, a, rowA, stepA, panel, stepB, c, call.StrideC, call.Alpha, beta);
                else
                    EdgeTile(in call, in block, rows, width, vectors, a, rowA, stepA, panel, stepB, c, beta);
            }
        }
    }

    /// <summary>A tile at the right edge of C: the kernel works on a copy, so that nothing beyond the edge is touched.</summary>
    private static void EdgeTile(
        in GemmCall call, in Block block, int rows, int width, int vectors, float* a, nint rowA, nint stepA, float* panel, nint stepB, float* c, float beta)
    {
        int stride = vectors * L.Width;
        if (beta != 0)
            Copy(c, call.StrideC, block.Edge, stride, rows, width);
        GemmTile<L, V>.Run(rows, vectors, block.Depth, a, rowA, stepA, panel, stepB, block.Edge, stride, call.Alpha, beta);
        Copy(block.Edge, stride, c, call.StrideC, rows, width);
    }

    private static void Copy(float* from, nint strideFrom, float* to, nint strideTo, int rows, int width)
    {
        for (int i = 0; i < rows; i++, from += strideFrom, to += strideTo)
        {
            for (int j = 0; j < width; j++)
                to[j] = from[j];
        }
    }

    private static void PackPanel(in GemmCall call, in Block block, int j, int width, float* to, int stride)
    {
        void* from = call.B.At(block.K, block.N + j);
        if (call.B.IsBFloat16)
            PackPanel((BFloat16*)from, call.B, block.Depth, width, to, stride);
        else
            PackPanel((float*)from, call.B, block.Depth, width, to, stride);
    }

    private static void PackPanel<T>(T* from, GemmOperand b, int depth, int width, float* to, int stride) where T : unmanaged
    {
        if (b.Transposed)
            GemmPack<L, V>.Transposed(from, b.Stride, depth, width, to, stride);
        else
            GemmPack<L, V>.Rows(from, b.Stride, depth, width, to, stride);
    }

    /// <summary>Copies the rows of a tile of A as they are stored: row after row, or, transposed, step after step along k.</summary>
    private static float* PackTile(in GemmCall call, in Block block, int row, int rows)
    {
        void* from = call.A.At(row, block.K);
        (int count, int width) = call.A.Transposed ? (block.Depth, rows) : (rows, block.Depth);
        if (call.A.IsBFloat16)
            GemmPack<L, V>.Rows((BFloat16*)from, call.A.Stride, count, width, block.PackedA, width);
        else
            GemmPack<L, V>.Rows((float*)from, call.A.Stride, count, width, block.PackedA, width);
        return block.PackedA;
    }

    /// <summary>The block at hand and where its packed parts lie.</summary>
    private struct Block
    {
        public int M, N, K, Rows, Columns, Depth, Tiles;
        public bool DirectA, DirectB;
        public float* PackedA, PackedB, Edge;
    }
}
