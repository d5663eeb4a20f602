using System.Buffers;

namespace Marrow.Formats.Views;

/// <summary>
/// A tensor whose rows (along its first dimension) stand in another order, the same within each group of as many rows as <c>order</c> has: row i of a group
/// is the stored row order[i] of that group. Stored bytes of whole rows are moved, so that block-quantised rows stay as they are.
/// </summary>
internal sealed class RowOrderView(TensorInfo info, ITensorSource source, string stored, int[] order) : TensorView(info)
{
    // A group is read in one piece where most of it is wanted, row by row otherwise.
    private const int LargestGroup = 1 << 24;

    private readonly long _row = info.ByteLength / info.Shape[0];

    public override void Read(long byteOffset, Span<byte> destination)
    {
        long group = _row * order.Length;
        for (int at = 0; at < destination.Length;)
        {
            (long index, long from) = Math.DivRem(byteOffset + at, group);
            Span<byte> piece = destination.Slice(at, (int)Math.Min(group - from, destination.Length - at));
            if (group <= LargestGroup && piece.Length >= group / 2)
                ReadGroup(index * group, (int)group, (int)from, piece);
            else
                ReadRows(index * group, from, piece);
            at += piece.Length;
        }
    }

    private void ReadGroup(long start, int length, int from, Span<byte> destination)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            source.Read(stored, start, buffer.AsSpan(0, length));
            for (int at = 0; at < destination.Length;)
            {
                (int row, int within) = Math.DivRem(from + at, (int)_row);
                int count = Math.Min((int)_row - within, destination.Length - at);
                buffer.AsSpan(order[row] * (int)_row + within, count).CopyTo(destination[at..]);
                at += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void ReadRows(long start, long from, Span<byte> destination)
    {
        for (int at = 0; at < destination.Length;)
        {
            (long row, long within) = Math.DivRem(from + at, _row);
            int count = (int)Math.Min(_row - within, destination.Length - at);
            source.Read(stored, start + order[row] * _row + within, destination.Slice(at, count));
            at += count;
        }
    }
}
