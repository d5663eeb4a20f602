namespace Marrow.Formats.Datasets;

/// <summary>
/// The endless sequence of micro-batches over the epochs: batch_size examples each, or batch_size packed rows. Every example comes
/// exactly once in an epoch. A batch never crosses the end of an epoch, so the last one of an epoch may be smaller. The sequence
/// is a function of data, order, batch size and packing; the cursor is its only state.
/// </summary>
public sealed class BatchPlan
{
    private readonly TokenDataset _data;
    private readonly DataOrder _order;
    private readonly int _batchSize;
    private readonly Packing? _packing;
    private readonly int[] _epochOrder;
    private readonly int[] _lengths;
    private int _loadedEpoch = -1;

    /// <summary>Batches of <paramref name="batchSize"/> examples, or of as many rows of <paramref name="packing"/> (which then belongs to this plan).</summary>
    public BatchPlan(TokenDataset data, DataOrder order, int batchSize, Packing? packing = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(order);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        ArgumentOutOfRangeException.ThrowIfNotEqual(order.Count, data.Count);
        (_data, _order, _batchSize, _packing) = (data, order, batchSize, packing);
        _epochOrder = new int[data.Count];
        _lengths = new int[packing is null ? 0 : data.Count];
        for (int i = 0; i < _lengths.Length; i++)
            _lengths[i] = data.Length(i);
    }

    /// <summary>Where the next batch begins.</summary>
    public DataCursor Cursor { get; private set; }

    /// <summary>Goes on from a saved cursor.</summary>
    /// <exception cref="MarrowException">DS060: there is no such place in this data.</exception>
    public void Seek(DataCursor cursor)
    {
        int units = cursor.Epoch < 0 ? 0 : Units(cursor.Epoch);
        if (cursor.Position < 0 || cursor.Position >= units)
            throw new MarrowException("DS060",
                $"the checkpoint stands at epoch {cursor.Epoch}, position {cursor.Position}, and the data has {units} positions there; resume with the data, seed and packing of the run [DS060]");
        Cursor = cursor;
    }

    /// <summary>Fills <paramref name="batch"/> with the next micro-batch and moves the cursor behind it.</summary>
    public void Next(TokenBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        (int epoch, int position) = Cursor;
        int units = Units(epoch);
        int count = Math.Min(_batchSize, units - position);
        batch.Fill(_data, _packing is null ? _epochOrder.AsSpan(position, count) : _packing.Rows(position, count));
        position += count;
        Cursor = position < units ? new DataCursor(epoch, position) : new DataCursor(checked(epoch + 1), 0);
    }

    /// <summary>The micro-batches of the first <paramref name="epochs"/> epochs together (packed rows differ from epoch to epoch).</summary>
    public long CountBatches(int epochs) => CountSteps(epochs, 1);

    /// <summary>
    /// The steps of up to <paramref name="batchesPerStep"/> micro-batches in the first <paramref name="epochs"/> epochs, where a step
    /// never crosses the end of an epoch.
    /// </summary>
    public long CountSteps(int epochs, int batchesPerStep)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epochs);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchesPerStep, 1);
        if (_packing is null)
            return (long)epochs * Steps(_data.Count, batchesPerStep);
        long steps = 0;
        for (int epoch = 0; epoch < epochs; epoch++)
            steps += Steps(Units(epoch), batchesPerStep);
        return steps;
    }

    private long Steps(int units, int batchesPerStep)
    {
        long perStep = (long)_batchSize * batchesPerStep;
        return (units + perStep - 1) / perStep;
    }

    /// <summary>The examples or rows of an epoch, whose order is in place afterwards.</summary>
    private int Units(int epoch)
    {
        if (_loadedEpoch != epoch)
        {
            _order.Fill(epoch, _epochOrder);
            _packing?.Pack(_epochOrder, _lengths);
            _loadedEpoch = epoch;
        }
        return _packing?.RowCount ?? _epochOrder.Length;
    }
}
