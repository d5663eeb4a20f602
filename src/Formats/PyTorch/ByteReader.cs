using System.Buffers.Binary;

namespace Marrow.Formats.PyTorch;

/// <summary>
/// Takes bytes one field after the other from a stream of <paramref name="length"/> bytes, through a window of 64 KiB. Asking for more
/// than is left is a <see cref="ModelFileException"/> with <paramref name="code"/>; <paramref name="what"/> says in it what was read.
/// </summary>
internal sealed class ByteReader(Stream stream, long length, string path, string code, string what)
{
    private readonly byte[] _window = new byte[(int)Math.Min(length, 1 << 16)];
    private int _at;
    private int _filled;
    private long _taken;

    public string What => what;

    /// <summary>Bytes taken so far.</summary>
    public long Position => _taken;

    public long Remaining => length - _taken;

    public byte Byte() => _at < _filled ? Next() : Take(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>The next <paramref name="count"/> bytes, good until the next call; more than the window holds are copied out.</summary>
    public ReadOnlySpan<byte> Take(long count)
    {
        if (count > Remaining)
            throw new ModelFileException(code, path,
                $"{what}: {count} bytes are needed at byte {_taken}, but only {Remaining} are left; the file is damaged or was cut short, fetch it again");
        int size = checked((int)count);
        _taken += size;
        if (size > _window.Length)
        {
            byte[] whole = new byte[size];
            int held = _filled - _at;
            _window.AsSpan(_at, held).CopyTo(whole);
            _at = _filled;
            Fill(whole.AsSpan(held), size - held);
            return whole;
        }
        if (size > _filled - _at)
        {
            _window.AsSpan(_at, _filled - _at).CopyTo(_window);
            _filled -= _at;
            _at = 0;
            _filled += Fill(_window.AsSpan(_filled), size - _filled);
        }
        _at += size;
        return _window.AsSpan(_at - size, size);
    }

    private byte Next()
    {
        _taken++;
        return _window[_at++];
    }

    /// <summary>Reads at least <paramref name="least"/> bytes, at most the whole target.</summary>
    private int Fill(Span<byte> target, int least)
    {
        int done = 0;
        while (done < least)
        {
            int read;
            try
            {
                read = stream.Read(target[done..]);
            }
            catch (InvalidDataException e)
            {
                throw Inflation.Damaged(path, what, e);
            }
            if (read == 0)
                throw Inflation.Damaged(path, what, null);
            done += read;
        }
        return done;
    }
}
