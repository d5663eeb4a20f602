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
    /// <summary>A block along k: with the widest tile, a panel of B takes 32 KiB, two thirds of a first-level cache.</summary>
    public const int K = 256;

    /// <summary>Rows of a packed block of A, 240 KiB: part of a second-level cache.</summary>
    public const int M = 240;

    /// <summary>Columns of a packed block of B.</summary>
    public const int N = 1024;

    public const int MaxTileRows = 12;

    public const int MaxTileColumns = 32;

    /// <summary>Work memory of one thread: a block of A, one of B, and a tile of C for the edge.</summary>
    public const nuint ScratchBytes = sizeof(float) * (K * (M + N) + MaxTileRows * MaxTileColumns);
}

/// <summary>
/// The blocked product for one vector width, after Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008):
/// a panel of B stays in the first-level cache while the tiles of a block of A pass by.
/// </summary>
internal static unsafe class GemmBlock<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>Computes the rows m0..m1 and columns n0..n1 of C with <paramref name="scratch"/> of <see cref="GemmBlock.ScratchBytes"/>.</summary>
    public static void Run(in GemmCall call, int m0, int m1, int n0, int n1, float* scratch)
    {
        var block = new Block
        {
            PackedB = scratch,
            PackedA = scratch + GemmBlock.K * GemmBlock.N,
            Edge = scratch + GemmBlock.K * (GemmBlock.N + GemmBlock.M),
            // A narrow C has tiles one vector wide, which leaves registers for more rows.
            TileRows = n1 - n0 <= L.Width ? GemmTile<L, V>.MaxRows : L.TileRows,
        };
        for (int n = n0; n < n1; n += GemmBlock.N)
        {
            block.N = n;
            block.Columns = Math.Min(GemmBlock.N, n1 - n);
            for (int k = 0; k < call.K; k += GemmBlock.K)
            {
                block.K = k;
                block.Depth = Math.Min(GemmBlock.K, call.K - k);
                block.DirectB = !call.B.Transposed && !call.B.IsBFloat16 && (call.B.Stride <= 2 * L.Width || m1 - m0 <= block.TileRows);
                for (int m = m0; m < m1; m += block.Rows)
                {
                    // Blocks of about equal height.
                    int left = (m1 - m + GemmBlock.M - 1) / GemmBlock.M;
                    block.M = m;
                    block.Rows = (m1 - m + left - 1) / left;
                    block.FirstRows = m == m0;
                    block.LastRows = m + block.Rows == m1;
                    Multiply(in call, in block);
                }
            }
        }
    }

    private static void Multiply(in GemmCall call, in Block block)
    {
        bool directA = IsDirectA(in call, in block);
        // Tiles of about equal height: a last tile of a row or two would wait on its own additions.
        int tiles = (block.Rows + block.TileRows - 1) / block.TileRows;
        int panelWidth = 2 * L.Width;
        // A panel that no later block of rows needs lies in memory that is still in the cache.
        bool reusePanel = block.FirstRows && block.LastRows;
        float beta = block.K == 0 ? call.Beta : 1;
        for (int j = 0; j < block.Columns; j += panelWidth)
        {
            int width = Math.Min(panelWidth, block.Columns - j);
            int vectors = width > L.Width ? 2 : 1;
            bool directB = block.DirectB && width == vectors * L.Width;
            float* panel = block.PackedB + (reusePanel ? 0 : GemmBlock.K * j);
            nint stepB = vectors * L.Width;
            if (directB)
            {
                panel = (float*)call.B.At(block.K, block.N + j);
                stepB = call.B.Stride;
            }
            else if (block.FirstRows)
            {
                PackPanel(in call, in block, j, width, panel, vectors * L.Width);
            }
            for (int t = 0; t < tiles; t++)
            {
                int row = t * block.Rows / tiles, rows = (t + 1) * block.Rows / tiles - row;
                float* c = call.C + (nint)(block.M + row) * call.StrideC + block.N + j;
                float* a;
                nint rowA, stepA;
                if (directA)
                {
                    a = (float*)call.A.At(block.M + row, block.K);
                    (rowA, stepA) = call.A.Transposed ? (1, (nint)call.A.Stride) : (call.A.Stride, 1);
                }
                else
                {
                    a = block.PackedA + row * GemmBlock.K;
                    (rowA, stepA) = call.A.Transposed ? (1, (nint)rows) : (block.Depth, 1);
                    if (j == 0)
                        PackTile(in call, in block, row, rows, a);
                }
                if (width == vectors * L.Width)
                    GemmTile<L, V>.Run(rows, vectors, block.Depth, a, rowA, stepA, panel, stepB, c, call.StrideC, call.Alpha, beta);
                else
                    EdgeTile(in call, in block, rows, width, vectors, a, rowA, stepA, panel, stepB, c, beta);
            }
        }
    }

    private static bool IsDirectA(in GemmCall call, in Block block)
    {
        if (call.A.IsBFloat16)
            return false;
        return call.A.Transposed
            ? call.A.Stride <= 64 || block.Rows <= block.TileRows
            : call.A.Stride <= GemmBlock.K || block.Columns <= 4 * L.Width;
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

    /// <summary>Copies a tile of A as it is stored: row after row, or, transposed, step after step along k.</summary>
    private static void PackTile(in GemmCall call, in Block block, int row, int rows, float* to)
    {
        void* from = call.A.At(block.M + row, block.K);
        (int count, int width) = call.A.Transposed ? (block.Depth, rows) : (rows, block.Depth);
        if (call.A.IsBFloat16)
            GemmPack<L, V>.Rows((BFloat16*)from, call.A.Stride, count, width, to, width);
        else
            GemmPack<L, V>.Rows((float*)from, call.A.Stride, count, width, to, width);
    }

    /// <summary>The block at hand and where its packed parts lie.</summary>
    private struct Block
    {
        public int M, N, K, Rows, Columns, Depth, TileRows;
        public bool FirstRows, LastRows, DirectB;
        public float* PackedA, PackedB, Edge;
    }
}
