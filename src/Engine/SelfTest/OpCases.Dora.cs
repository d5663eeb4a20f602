namespace Marrow.Engine.SelfTest;

/// <summary>What DoRA needs: scaled channels, norms of adapted rows.</summary>
public static partial class OpCases
{
    private static IEnumerable<OpCase> DoraOps()
    {
        foreach ((int rows, int c) in new[] { (1, 1), (5, 33), (40, 64), (3, 4099) })
        {
            yield return new("scale_columns", $"{rows}x{c}", [new(rows, c), new(c), new(c)], (_, t) => Ops.ScaleColumns(t[0], t[1], t[2]),
                a => ScaleColumnsNode.Reference(a[0], a[1], a[2], 0, null)) { Frozen = [2] };
            yield return new("scale_columns", $"{rows}x{c}, less 1, with bias", [new(rows, c), new(c), new(c), new(c)], (_, t) => Ops.ScaleColumns(t[0], t[1], t[2], 1f, t[3]),
                a => ScaleColumnsNode.Reference(a[0], a[1], a[2], 1, a[3])) { Frozen = [2, 3] };
        }
        foreach ((int inputs, int outputs, int r) in new[] { (1, 1, 1), (33, 40, 4), (64, 31, 16) })
        {
            // The norms have no gradient, so a product with one that has carries them to the check.
            yield return new("inverse_row_norms", $"{inputs}→{outputs}, r {r}", [new(3, outputs), new(outputs), new(outputs, inputs), new(r, inputs), new(outputs, r)],
                (tape, t) => Ops.ScaleColumns(t[0], t[1], Ops.InverseRowNorms(tape, t[2], Squares(tape, t[2]), t[3], t[4], 0.5f)),
                a => ScaleColumnsNode.Reference(a[0], a[1], RowNorms.Reference(a[2], a[3], a[4], 0.5), 0, null)) { Frozen = [2, 3, 4] };
        }
    }

    private static Tensor Squares(Autograd.Tape tape, Tensor w)
    {
        Tensor squares = tape.New(new Shape(w.Shape.Rows));
        squares.Upload<float>([.. w.ToArray().Chunk(w.Shape.Last).Select(row => (float)row.Sum(v => (double)v * v))]);
        return squares;
    }
}
