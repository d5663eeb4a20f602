using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.Gguf;

/// <summary>
/// Takes the fields of a GGUF header one after the other, through a window of the file. What is asked for is checked against what is left
/// before anything is allocated; what the reader keeps is charged to a budget of three times the bytes read and 64 MiB.
/// </summary>
internal sealed class GgufInput(SafeFileHandle handle, string path, long length)
{
    /// <summary>The longest header read: the largest known have some 40 MB.</summary>
    public const long LongestHeader = 256 << 20;

    private const int WindowBytes = 1 << 18;
    private const long FreeBudget = 64 << 20;

    private readonly byte[] _window = new byte[(int)Math.Min(length, WindowBytes)];
    private int _at;
    private int _filled;
    private long _spent;

    public string Path => path;

    /// <summary>The file's length.</summary>
    public long Length => length;

    /// <summary>Bytes taken so far.</summary>
    public long Position { get; private set; }

    /// <summary>Bytes that the header may still take.</summary>
    public long Remaining => Math.Min(length, LongestHeader) - Position;

    public byte Byte(string what) => Take(1, what)[0];

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

    public int Int32(string what) => BinaryPrimitives.ReadInt32LittleEndian(Take(4, what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

    /// <summary>The next bytes, at most those of the window, good until the next call.</summary>
    public ReadOnlySpan<byte> Take(int count, string what)
    {
        if (count > Remaining)
            throw End(what, count);
        if (count > _filled - _at)
        {
            _window.AsSpan(_at, _filled - _at).CopyTo(_window);
            _filled -= _at;
            _at = 0;
            int more = (int)Math.Min(_window.Length - _filled, length - Position - _filled);
            InputFile.ReadExactly(handle, path, Position + _filled, _window.AsSpan(_filled, more));
            _filled += more;
        }
        _at += count;
        Position += count;
        return _window.AsSpan(_at - count, count);
    }

    /// <summary>As many of <paramref name="count"/> elements of <paramref name="size"/> bytes as the window holds at once.</summary>
    public ReadOnlySpan<byte> TakeSome(long count, int size, string what) => Take((int)Math.Min(count, _window.Length / size) * size, what);

    /// <summary>A string: its length, then its bytes.</summary>
    public byte[] String(string what)
    {
        long at = Position;
        ulong count = UInt64(what);
        if (count > (ulong)Remaining)
            throw new ModelFileException("GG005", path, $"{what}: the string length {count} at byte {at} reaches past the end of {Limit}; the file is damaged or was cut short, fetch it again");
        if (count == 0)
            return [];
        Spend((long)count + 32);
        byte[] bytes = new byte[count];
        for (int done = 0; done < bytes.Length;)
        {
            ReadOnlySpan<byte> piece = TakeSome(bytes.Length - done, 1, what);
            piece.CopyTo(bytes.AsSpan(done));
            done += piece.Length;
        }
        return bytes;
    }

    /// <summary>Charges memory that is about to be kept for what was read and <paramref name="coming"/> bytes that follow.</summary>
    public void Spend(long bytes, long coming = 0)
    {
        _spent += bytes;
        if (_spent > 3 * (Position + coming) + FreeBudget)
            throw new ModelFileException("GG010", path, $"the header needs more than {_spent >> 20} MiB of memory for its {Position + coming} bytes; no model has such metadata, the file is damaged");
    }

    /// <summary>What ends the header, for messages.</summary>
    public string Limit => length <= LongestHeader ? $"the file ({length} bytes)" : $"the longest header that is read ({LongestHeader} bytes)";

    private ModelFileException End(string what, int count) => length > LongestHeader
        ? new("GG010", path, $"the header is longer than {LongestHeader} bytes, which is the most that is read; the file is damaged")
        : new("GG004", path, $"unexpected end at byte {length}: {what} at byte {Position} takes {count} bytes; the file was cut short, fetch it again");
}
