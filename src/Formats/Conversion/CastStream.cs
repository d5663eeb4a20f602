using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Conversion;

/// <summary>
/// Takes a tensor's bytes in one type and passes them on in another, in order. Full pieces are converted and written by other threads while the caller
/// goes on; the first failure comes back to the caller.
/// </summary>
internal sealed class CastStream : SinkStream
{
    /// <summary>Makes <paramref name="made"/> of the <paramref name="count"/> elements in <paramref name="stored"/>, which begin at element <paramref name="first"/>.</summary>
    public delegate void Conversion(TensorPieces.Lane lane, long first, int count, ReadOnlySpan<byte> stored, Span<byte> made);

    private readonly TensorPieces _pieces;
    private readonly DType _from, _to;
    private readonly Stream _target;
    private readonly Conversion _convert;
    private readonly Action<long>? _progress;
    private readonly int _elements, _pieceBytes;
    private int _lane, _filled;
    private long _first;
    private Task _last = Task.CompletedTask;

    public CastStream(TensorPieces pieces, DType from, DType to, Stream target, Conversion convert, Action<long>? progress)
    {
        (_pieces, _from, _to, _target, _convert, _progress) = (pieces, from, to, target, convert, progress);
        // As many whole chunks as keep both types within the bounds of a piece.
        long chunk = Math.Max(from.Bytes(TensorPieces.Chunk), to.Bytes(TensorPieces.Chunk));
        _elements = (int)Math.Max(1, pieces.PieceBytes / chunk) * TensorPieces.Chunk;
        _pieceBytes = (int)from.Bytes(_elements);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Position += buffer.Length;
        while (!buffer.IsEmpty)
        {
            TensorPieces.Lane lane = _pieces.Lanes[_lane];
            if (_filled == 0)
                lane.Written.GetAwaiter().GetResult();
            int count = Math.Min(buffer.Length, _pieceBytes - _filled);
            buffer[..count].CopyTo(lane.Stored(_pieceBytes).AsSpan(_filled));
            buffer = buffer[count..];
            _filled += count;
            if (_filled == _pieceBytes)
                Submit();
        }
    }

    /// <summary>Ends the tensor: everything is written, or the first failure thrown.</summary>
    public void Complete()
    {
        if (_filled > 0)
            Submit();
        _last.GetAwaiter().GetResult();
    }

    protected override void Dispose(bool disposing)
    {
        // After a failure nobody may write any more once the caller closes the file.
        foreach (TensorPieces.Lane lane in _pieces.Lanes)
        {
            ((IAsyncResult)lane.Made).AsyncWaitHandle.WaitOne();
            ((IAsyncResult)lane.Written).AsyncWaitHandle.WaitOne();
            lane.Made = lane.Written = Task.CompletedTask;
        }
        base.Dispose(disposing);
    }

    private void Submit()
    {
        TensorPieces.Lane lane = _pieces.Lanes[_lane];
        int bytes = _filled;
        Task<ReadOnlyMemory<byte>> made = Made(lane, bytes);
        lane.Made = made;
        lane.Written = _last = PutAfter(_last, made);
        _lane = (_lane + 1) % _pieces.Lanes.Length;
        _filled = 0;
    }

    private Task<ReadOnlyMemory<byte>> Made(TensorPieces.Lane lane, int bytes)
    {
        long first = _first;
        int count = bytes == _pieceBytes ? _elements : Count(bytes);
        _first += count;
        return Task.Run(async () =>
        {
            await _pieces.Turns.WaitAsync().ConfigureAwait(false);
            try
            {
                int length = (int)_to.Bytes(count);
                byte[] made = lane.Target((int)_to.Bytes(_elements));
                _convert(lane, first, count, lane.Stored(bytes).AsSpan(0, bytes), made.AsSpan(0, length));
                return (ReadOnlyMemory<byte>)made.AsMemory(0, length);
            }
            finally
            {
                _pieces.Turns.Release();
            }
        });
    }

    // Not on the reader's thread, which goes on reading.
    private Task PutAfter(Task previous, Task<ReadOnlyMemory<byte>> made) => Task.Run(async () =>
    {
        await previous.ConfigureAwait(false);
        ReadOnlyMemory<byte> bytes = await made.ConfigureAwait(false);
        _target.Write(bytes.Span);
        _progress?.Invoke(bytes.Length);
    });

    private int Count(int bytes)
    {
        if (!_from.IsBlock())
            return bytes / (_from.Bits() / 8);
        BlockFormat format = BlockFormats.Of(_from);
        return bytes / format.Bytes * format.Elements;
    }
}
