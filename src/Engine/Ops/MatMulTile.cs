using Marrow.Engine.Devices;

namespace Marrow.Engine;

/// <summary>The kernels that compute tiles of a product.</summary>
internal enum MatMulMethod
{
    /// <summary>For processors: one lane computes a large tile from packed panels.</summary>
    Panel,

    /// <summary>For GPUs: lanes hold parts of the tile in registers, operands pass through shared memory.</summary>
    Tiled,

    /// <summary>Tensor cores in bf16.</summary>
    Tensor,
}

/// <summary>One way to compute products: a kernel and the sizes it is compiled with.</summary>
/// <param name="Method">The kernel.</param>
/// <param name="Rows">Rows of a group's tile.</param>
/// <param name="Columns">Columns of a group's tile.</param>
/// <param name="Depth">Values of k that pass through shared memory at once.</param>
/// <param name="LaneRows">Rows of the part that a lane holds; of a warp's part for tensor cores, in 16s.</param>
/// <param name="LaneColumns">Columns of the part that a lane holds; of a warp's part for tensor cores, in 8s.</param>
internal sealed record MatMulTile(MatMulMethod Method, int Rows, int Columns, int Depth, int LaneRows = 0, int LaneColumns = 0)
{
    /// <summary>Every way, the best guess of each kind of device and shape first.</summary>
    public static readonly IReadOnlyList<MatMulTile> All =
    [
        new(MatMulMethod.Panel, 256, 128, 128),
        new(MatMulMethod.Panel, 256, 256, 256),
        new(MatMulMethod.Panel, 128, 64, 128),
        new(MatMulMethod.Panel, 32, 32, 64),
        new(MatMulMethod.Tiled, 128, 128, 8, 8, 8),
        new(MatMulMethod.Tiled, 128, 64, 8, 8, 8),
        new(MatMulMethod.Tiled, 64, 64, 16, 4, 4),
        new(MatMulMethod.Tiled, 32, 32, 16, 4, 4),
        new(MatMulMethod.Tiled, 128, 16, 16, 4, 4),
        new(MatMulMethod.Tiled, 16, 128, 16, 4, 4),
        new(MatMulMethod.Tiled, 16, 16, 8, 4, 4),
        new(MatMulMethod.Tensor, 128, 128, 32, 4, 4),
        new(MatMulMethod.Tensor, 64, 64, 32, 2, 4),
        new(MatMulMethod.Tensor, 128, 16, 32, 2, 2),
        new(MatMulMethod.Tensor, 16, 128, 32, 1, 4),
    ];

    /// <summary>Lanes of a group.</summary>
    public int Lanes => Method switch
    {
        MatMulMethod.Panel => 1,
        MatMulMethod.Tiled => Rows / LaneRows * (Columns / LaneColumns),
        _ => Rows / (16 * LaneRows) * (Columns / (8 * LaneColumns)) * 32,
    };

    /// <summary>Shared memory of a group in bytes.</summary>
    public int SharedBytes => Method switch
    {
        MatMulMethod.Panel => 4 * (Rows * Depth + Columns * Depth + Rows * Columns),
        MatMulMethod.Tiled => 2 * 4 * Depth * (Rows + 4 + Columns + 4),
        // Either operand may lie along k or across it, with strides padded by eight.
        _ => 2 * 2 * (Math.Max(Rows * (Depth + 8), Depth * (Rows + 8)) + Math.Max(Columns * (Depth + 8), Depth * (Columns + 8))),
    };

    /// <summary>Whether a device can run it.</summary>
    public bool Fits(DeviceCapabilities device) => Lanes <= device.MaxLanes && SharedBytes <= device.SharedBytes;

    /// <summary>Whether it is worth trying on a device: the kernel is made for its kind, and fits.</summary>
    public bool Suits(DeviceCapabilities device) => Fits(device) && Method switch
    {
        MatMulMethod.Panel => device.IsCpu,
        MatMulMethod.Tensor => device.MatrixUnits,
        _ => !device.IsCpu,
    };

    /// <summary>"tiled 128×64×8, 8×8 a lane".</summary>
    public override string ToString() => $"{Method.ToString().ToLowerInvariant()} {Rows}×{Columns}×{Depth}{(Method == MatMulMethod.Panel ? "" : $", {LaneRows}×{LaneColumns}")}";
}
