using Microsoft.Win32.SafeHandles;

namespace Marrow.Formats.PyTorch;

/// <summary>Bytes <paramref name="start"/> … <paramref name="start"/> + <paramref name="length"/> of an open file as a forward stream; the caller has checked that they are there.</summary>
internal sealed class FileRange(SafeFileHandle handle, string path, long start, long length) : Stream
{
    private long _at;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _at;
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        buffer = buffer[..(int)Math.Min(buffer.Length, length - _at)];
        InputFile.ReadExactly(handle, path, start + _at, buffer);
        _at += buffer.Length;
        return buffer.Length;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
