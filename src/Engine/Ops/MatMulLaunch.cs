using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>How a product becomes launches: by rows of one, in tiles, or with k cut into parts where the tiles alone are too few for the device.</summary>
internal static unsafe partial class MatMul
{
    // The third axis of a grid has no more groups than this on any device.
    private const int MostInLaunch = 65535, LeastDepthOfPart = 256, MostParts = 64, LargestBlock = 256;

    /// <summary>Runs a product with a certain tile; <paramref name="parts"/> forces into how many parts k is cut, 0 leaves it to the shape.</summary>
    internal static void Run(KernelDevice gpu, in Product p, MatMulTile tile, int parts = 0)
    {
        if (p.M == 0 || p.N == 0)
            return;
        if (p is { M: 1, TransB: true, Count: 1 })
        {
            RunVector(gpu, p);
            return;
        }
        (int rows, int columns) = tile.Method == MatMulMethod.Panel ? PanelTile(gpu, p, tile) : (tile.Rows, tile.Columns);
        long tiles = Tiles(p.M, rows) * Tiles(p.N, columns) * p.Count;
        if (parts == 0)
            parts = p.Count > 1 ? 1 : (int)Math.Min(Math.Min(Wanted(gpu) / tiles, p.K / LeastDepthOfPart), MostParts);
        // Parts of equal depth, a multiple of every tile's and of every block's.
        int unit = p.A.DType.IsBlock() || p.B.DType.IsBlock() ? LargestBlock : 32;
        int depth = parts > 1 ? ((p.K + parts - 1) / parts + unit - 1) / unit * unit : p.K;
        if (depth == p.K)
        {
            for (int first = 0; first < p.Count; first += MostInLaunch)
                Launch(gpu, p, p.C, tile, rows, columns, first, Math.Min(MostInLaunch, p.Count - first), p.K, p.Alpha, p.Accumulate);
            return;
        }
        parts = (p.K + depth - 1) / depth;
        var shape = new Shape(parts, checked(p.M * p.N));
        if ((p.C.Tape ?? p.A.Tape ?? p.B.Tape) is { } tape)
        {
            int scope = tape.Open();
            RunInParts(gpu, p, tape.New(shape), tile, rows, columns, depth);
            tape.Close(scope);
        }
        else
        {
            using var sums = new Tensor(gpu, shape);
            RunInParts(gpu, p, sums, tile, rows, columns, depth);
        }
    }

    // Each part has its own sums, which are then added in order: the same bits in every run.
    private static void RunInParts(KernelDevice gpu, in Product p, Tensor sums, MatMulTile tile, int rows, int columns, int depth)
    {
        Product part = p with { StrideA = p.TransA ? (long)depth * p.M : depth, StrideB = p.TransB ? depth : (long)depth * p.N, StrideC = (long)p.M * p.N };
        Launch(gpu, part, sums, tile, rows, columns, 0, sums.Shape[0], depth, p.Alpha, false);
        ColumnSums.Finish(gpu, sums, p.C, p.Accumulate);
    }

    private static void Launch(KernelDevice gpu, in Product p, Tensor c, MatMulTile tile, int rows, int columns, int first, int count, int depth, float alpha, bool accumulate)
    {
        var grid = new Grid(tile.Lanes, checked((int)(Tiles(p.M, rows) * Tiles(p.N, columns))), 1, count);
        Arg a = Arg.At(p.A, first * p.StrideA), b = Arg.At(p.B, first * p.StrideB), to = Arg.At(c, first * p.StrideC);
        int step = depth < p.K ? depth : 0;
        bool wideA = IsWide(p.A, p.TransA ? p.M : p.K, p.StrideA), wideB = IsWide(p.B, p.TransB ? p.K : p.N, p.StrideB), wideC = IsWide(c, p.N, p.StrideC);
        switch (tile.Method)
        {
            case MatMulMethod.Panel:
                gpu.Launch(PanelTiles, grid, a, b, to, p.M, p.N, p.K, depth, step, p.StrideA, p.StrideB, p.StrideC, alpha, accumulate,
                    rows, columns, p.TransA, p.TransB, tile.Rows, tile.Columns, tile.Depth);
                break;
            case MatMulMethod.Tiled:
                gpu.Launch(RegisterTiles, grid, a, b, to, p.M, p.N, p.K, depth, step, p.StrideA, p.StrideB, p.StrideC, alpha, accumulate,
                    wideA, wideB, wideC, p.TransA, p.TransB, tile.Rows, tile.Columns, tile.Depth, tile.LaneRows, tile.LaneColumns);
                break;
            default:
                LaunchTensor(gpu, grid, p, a, b, to, tile, depth, step, alpha, accumulate, wideA, wideB, wideC);
                break;
        }
    }

    /// <summary>The text of a tile's kernel for a device, by which measurements are recognised: fp32, a not transposed and b transposed.</summary>
    internal static KernelText TextOf(MatMulTile tile, Dialect dialect)
    {
        Kernel kernel = tile.Method switch { MatMulMethod.Panel => PanelTiles, MatMulMethod.Tiled => RegisterTiles, _ => TensorTiles };
        ulong[] sizes = [0, 1, (ulong)tile.Rows, (ulong)tile.Columns, (ulong)tile.Depth, (ulong)tile.LaneRows, (ulong)tile.LaneColumns, 0, 0];
        var constants = new ulong[kernel.Parameters.Length];
        int first = Array.IndexOf(kernel.IsConst, true);
        sizes.AsSpan(0, constants.Length - first).CopyTo(constants.AsSpan(first));
        return KernelTranslator.Translate(kernel, new DType[constants.Length], constants, tile.Lanes, dialect);
    }

    // Rows of four at a time: every row, and every product of many, starts at a multiple of four elements.
    private static bool IsWide(Tensor t, int width, long stride) => Quads.InRows(width, t) > 0 && stride % 4 == 0;

    private static long Tiles(int size, int tile) => (size + tile - 1) / tile;

    // Groups that keep the device busy: a processor runs one on each core, a GPU hides the waiting of one behind another.
    private static long Wanted(KernelDevice gpu) => gpu.Capabilities.ComputeUnits * (gpu.Capabilities.IsCpu ? 1 : 2);

    // The place of a group's tile: eight rows of tiles at a time, so that neighbours read the same rows and columns while these are cached.
    private static int RowOfTile(int group, int tilesM, int tilesN)
    {
        int first = group / (8 * tilesN) * 8;
        return first + group % (8 * tilesN) % Math.Min(tilesM - first, 8);
    }

    private static int ColumnOfTile(int group, int tilesM, int tilesN) => group % (8 * tilesN) / Math.Min(tilesM - group / (8 * tilesN) * 8, 8);
}
