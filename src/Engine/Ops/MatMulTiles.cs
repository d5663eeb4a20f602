using Marrow.Engine.Devices;
using Marrow.Formats;

namespace Marrow.Engine;

/// <summary>What decides how a product is best cut: the relation of its sides and of its size to the device's.</summary>
internal enum ProductForm
{
    /// <summary>Tiles of 128 × 128 keep every unit of the device busy.</summary>
    Large,

    /// <summary>They do not.</summary>
    Small,

    /// <summary>Few columns: an adapter's way down.</summary>
    Narrow,

    /// <summary>Few rows: an adapter's gradient, short texts.</summary>
    Flat,
}

/// <summary>A device's choice of a tile for each form of product: measured by <see cref="MatMulTuning"/>, or the best guess for its class. It never changes while the device is open.</summary>
internal sealed class MatMulTiles
{
    public const int Forms = 4;

    private const int Narrow = 32;
    private readonly MatMulTile[] _inFull, _inBf16;
    private readonly int _units;

    private MatMulTiles(MatMulTile[] inFull, MatMulTile[] inBf16, int units) => (_inFull, _inBf16, _units) = (inFull, inBf16, units);

    /// <summary>The choice of a device: from its tuning file where that was measured on it with these kernels, else the defaults.</summary>
    public static MatMulTiles Of(KernelDevice device)
    {
        MatMulTiles tiles = Default(device);
        if (device.TuningFile is { } file && File.Exists(file))
            MatMulTuning.Apply(device, file, tiles._inFull, tiles._inBf16);
        return tiles;
    }

    /// <summary>The best guess for a class of devices.</summary>
    public static MatMulTiles Default(KernelDevice device)
    {
        DeviceCapabilities can = device.Capabilities;
        return new MatMulTiles(Guess(can, false), Guess(can, true), can.ComputeUnits);
    }

    /// <summary>The tile for a form of product, where operands may be rounded to bf16 or not.</summary>
    public MatMulTile this[ProductForm form, bool inBf16] => (inBf16 ? _inBf16 : _inFull)[(int)form];

    /// <summary>The tile for a product.</summary>
    public MatMulTile For(in MatMul.Product p) => this[FormOf(p.M, p.N, p.Count, _units), p.InBf16];

    public static ProductForm FormOf(int m, int n, int count, int units) =>
        n <= Narrow ? ProductForm.Narrow : m <= Narrow ? ProductForm.Flat
        : (long)((m + 127) / 128) * ((n + 127) / 128) * count < units ? ProductForm.Small : ProductForm.Large;

    /// <summary>The tiles worth measuring on a device, at most eight for each precision.</summary>
    public static IEnumerable<MatMulTile> Candidates(DeviceCapabilities device, bool inBf16)
    {
        MatMulTile[] fit = [.. MatMulTile.All.Where(t => t.Suits(device) && t.Method == MatMulMethod.Tensor == (inBf16 && device.MatrixUnits))];
        return fit.Length > 0 ? fit : MatMulTile.All.Where(t => t.Method != MatMulMethod.Tensor && t.Fits(device));
    }

    private static MatMulTile[] Guess(DeviceCapabilities device, bool inBf16)
    {
        MatMulTile[] candidates = [.. Candidates(device, inBf16)];
        if (candidates.Length == 0)
            throw new MarrowException("DV020", $"{device.Driver}: groups of {device.MaxLanes} lanes with {device.SharedBytes} bytes of shared memory are too small for products of matrices; use another device. [DV020]");
        // Large tiles stand first; a list that does not have what is wanted gives its first.
        return
        [
            candidates[0],
            First(candidates, t => t.Method == MatMulMethod.Panel || t.Rows <= 64 && t.Columns <= 64),
            First(candidates, t => t.Method == MatMulMethod.Panel || t.Columns <= Narrow),
            First(candidates, t => t.Method == MatMulMethod.Panel || t.Rows <= Narrow),
        ];
    }

    private static MatMulTile First(MatMulTile[] candidates, Func<MatMulTile, bool> wanted) => candidates.FirstOrDefault(wanted) ?? candidates[0];
}
