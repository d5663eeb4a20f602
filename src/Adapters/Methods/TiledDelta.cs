using System.Numerics.Tensors;

namespace Marrow.Adapters.Methods;

/// <summary>ΔW[o, i] = D[i mod r, o mod columns], with D [r, columns].</summary>
internal sealed class TiledDelta : WeightDelta
{
    private readonly double[] _tiles;
    private readonly int _r, _columns;

    public TiledDelta(double[] d, int r, int columns)
    {
        (_r, _columns) = (r, columns);
        _tiles = new double[d.Length];
        for (int j = 0; j < r; j++)
            for (int o = 0; o < columns; o++)
                _tiles[o * r + j] = d[j * columns + o];
    }

    protected override void Add(int output, Span<double> row, double factor)
    {
        ReadOnlySpan<double> tile = _tiles.AsSpan(output % _columns * _r, _r);
        for (int i = 0; i < row.Length; i += _r)
        {
            Span<double> part = row.Slice(i, Math.Min(_r, row.Length - i));
            TensorPrimitives.MultiplyAdd(tile[..part.Length], factor, part, part);
        }
    }
}
