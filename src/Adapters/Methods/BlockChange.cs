using System.Numerics.Tensors;

namespace Marrow.Adapters.Methods;

/// <summary>
/// Bat's change of a weight: W'[a, c] = W[a, c]·(I + B) + B for each r×r block, with one B for each block of outputs (PEFT, spec/adapters.md §2.3)
/// or, where <c>byInput</c>, for each block of inputs (RWKV-PEFT, §2.4).
/// </summary>
internal sealed class BlockChange : WeightChange
{
    private readonly double[] _blocks, _steps, _inverses;
    private readonly int _r;
    private readonly bool _byInput;

    /// <param name="blocks">The matrices B one behind the other, row by row.</param>
    /// <param name="r">Their rows and columns.</param>
    /// <param name="byInput">Whether the block of inputs chooses the matrix.</param>
    public BlockChange(double[] blocks, int r, bool byInput)
    {
        (_blocks, _r, _byInput) = (blocks, r, byInput);
        _steps = [.. blocks];
        for (int a = 0; a < blocks.Length; a += r * r)
            for (int i = 0; i < r; i++)
                _steps[a + i * r + i] += 1;
        _inverses = [.. _steps];
        CanUndo = true;
        for (int a = 0; a < blocks.Length && CanUndo; a += r * r)
            CanUndo = Inverse.Of(_inverses.AsSpan(a, r * r), r);
    }

    /// <inheritdoc/>
    public override bool CanUndo { get; }

    /// <inheritdoc/>
    public override void Apply(int output, Span<double> row)
    {
        Multiply(output, row, _steps);
        AddBlockRows(output, row, 1);
    }

    /// <inheritdoc/>
    public override void Undo(int output, Span<double> row)
    {
        AddBlockRows(output, row, -1);
        Multiply(output, row, _inverses);
    }

    private int BlockOf(int output, int column) => (_byInput ? column : output) / _r;

    private void AddBlockRows(int output, Span<double> row, double factor)
    {
        for (int c = 0; c < row.Length; c += _r)
            TensorPrimitives.MultiplyAdd(_blocks.AsSpan((BlockOf(output, c) * _r + output % _r) * _r, _r), factor, row.Slice(c, _r), row.Slice(c, _r));
    }

    private void Multiply(int output, Span<double> row, double[] matrices)
    {
        Span<double> product = _r <= 256 ? stackalloc double[_r] : new double[_r];
        for (int c = 0; c < row.Length; c += _r)
        {
            ReadOnlySpan<double> matrix = matrices.AsSpan(BlockOf(output, c) * _r * _r, _r * _r);
            Span<double> part = row.Slice(c, _r);
            product.Clear();
            for (int k = 0; k < _r; k++)
                TensorPrimitives.MultiplyAdd(matrix.Slice(k * _r, _r), part[k], product, product);
            product.CopyTo(part);
        }
    }
}
