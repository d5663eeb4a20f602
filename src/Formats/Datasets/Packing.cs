namespace Marrow.Formats.Datasets;

/// <summary>
/// Fills rows of at most <see cref="MaxLength"/> tokens with whole examples, in order: an example goes into the first of the
/// <see cref="Window"/> open rows that has room, else a new row is opened, and the row with the least room (the older of equals) is
/// closed when there are too many. Rows stand in the order of their opening, examples of a row in the given order.
/// Its buffers are reused: packing again allocates nothing.
/// </summary>
public sealed class Packing
{
    private readonly int[] _openRow;
    private readonly int[] _openRoom;
    private int[] _rowOf = [];
    private int[] _members = [];
    private int[] _starts = [0];

    /// <summary>Packs into rows of at most <paramref name="maxLength"/> tokens with <paramref name="window"/> rows open at a time.</summary>
    public Packing(int maxLength, int window = 32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(window, 1);
        (MaxLength, Window) = (maxLength, window);
        _openRow = new int[window];
        _openRoom = new int[window];
    }

    /// <summary>The most tokens of a row.</summary>
    public int MaxLength { get; }

    /// <summary>The most rows open at a time.</summary>
    public int Window { get; }

    /// <summary>The rows of the last <see cref="Pack"/>.</summary>
    public int RowCount { get; private set; }

    /// <summary>The examples of row <paramref name="row"/>.</summary>
    public ReadOnlySpan<int> Row(int row) => Rows(row, 1);

    /// <summary>The examples of <paramref name="count"/> rows from <paramref name="row"/> on, one after the other.</summary>
    public ReadOnlySpan<int> Rows(int row, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, RowCount - row);
        return _members.AsSpan(_starts[row], _starts[row + count] - _starts[row]);
    }

    /// <summary>Packs the examples of <paramref name="order"/>; <paramref name="lengths"/> has the tokens of every example, by index.</summary>
    /// <exception cref="ArgumentException">An example is longer than a row.</exception>
    public void Pack(ReadOnlySpan<int> order, ReadOnlySpan<int> lengths)
    {
        if (_members.Length < order.Length)
        {
            _rowOf = new int[order.Length];
            _members = new int[order.Length];
            _starts = new int[order.Length + 1];
        }
        AssignRows(order, lengths);
        GroupByRow(order);
    }

    private void AssignRows(ReadOnlySpan<int> order, ReadOnlySpan<int> lengths)
    {
        int open = 0;
        RowCount = 0;
        for (int i = 0; i < order.Length; i++)
        {
            int length = lengths[order[i]];
            if (length > MaxLength)
                throw new ArgumentException($"example {order[i]} has {length} tokens, a row {MaxLength}", nameof(lengths));
            int slot = 0;
            while (slot < open && _openRoom[slot] < length)
                slot++;
            if (slot == open)
            {
                if (open == Window)
                    Close(Fullest(open), open--);
                slot = open++;
                _openRow[slot] = RowCount++;
                _openRoom[slot] = MaxLength;
            }
            _rowOf[i] = _openRow[slot];
            _openRoom[slot] -= length;
        }
    }

    private int Fullest(int open)
    {
        int best = 0;
        for (int slot = 1; slot < open; slot++)
            if (_openRoom[slot] < _openRoom[best])
                best = slot;
        return best;
    }

    private void Close(int slot, int open)
    {
        // Slots stay in the order of opening.
        Array.Copy(_openRow, slot + 1, _openRow, slot, open - slot - 1);
        Array.Copy(_openRoom, slot + 1, _openRoom, slot, open - slot - 1);
    }

    private void GroupByRow(ReadOnlySpan<int> order)
    {
        Span<int> starts = _starts.AsSpan(0, RowCount + 1);
        starts.Clear();
        for (int i = 0; i < order.Length; i++)
            starts[_rowOf[i] + 1]++;
        for (int row = 0; row < RowCount; row++)
            starts[row + 1] += starts[row];
        // Each start moves to its row's end while the row fills, which is where the next row starts.
        for (int i = 0; i < order.Length; i++)
            _members[starts[_rowOf[i]]++] = order[i];
        for (int row = RowCount; row > 0; row--)
            starts[row] = starts[row - 1];
        starts[0] = 0;
    }
}
