using System.IO.Compression;
using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.PyTorch;

/// <summary>Reads ranges of one open file by position, inflating where they are deflated. Safe for concurrent reads. Owns the handle.</summary>
internal sealed class DataSource(SafeFileHandle handle, string path, long length) : IDisposable
{
    private readonly Lock _inflating = new();
    private Inflation? _last;

    public SafeFileHandle Handle => handle;

    public string Path => path;

    public long Length => length;

    /// <summary>Fills <paramref name="destination"/> from byte <paramref name="at"/> of the (inflated) range on; the caller has checked the bounds.</summary>
    public void Read(DataRange range, long at, Span<byte> destination)
    {
        if (!range.Deflated)
        {
            InputFile.ReadExactly(handle, path, range.Offset + at, destination);
            return;
        }
        lock (_inflating)
        {
            if (_last is null || _last.Range != range || _last.Position > at)
            {
                _last?.Dispose();
                _last = new Inflation(range, Stored(range), path);
            }
            _last.Read(at, destination);
        }
    }

    /// <summary>The range's (inflated) bytes from its start on.</summary>
    public Stream Open(DataRange range) => range.Deflated ? new DeflateStream(Stored(range), CompressionMode.Decompress) : Stored(range);

    /// <summary>The CRC-32 of the range's (inflated) bytes, which must be as many as it states.</summary>
    public uint Checksum(DataRange range)
    {
        using Stream stream = Open(range);
        byte[] piece = new byte[(int)Math.Min(range.Bytes + 1, 1 << 16)];
        uint crc = 0;
        long read = 0;
        try
        {
            for (int count; read <= range.Bytes && (count = stream.Read(piece)) > 0; read += count)
                crc = Crc32.Append(crc, piece.AsSpan(0, count));
        }
        catch (InvalidDataException e)
        {
            throw Inflation.Damaged(path, range.What, e);
        }
        return read == range.Bytes ? crc : throw Inflation.Damaged(path, range.What, null);
    }

    public void Dispose()
    {
        _last?.Dispose();
        handle.Dispose();
    }

    private FileRange Stored(DataRange range) => new(handle, path, range.Offset, range.Stored);
}
