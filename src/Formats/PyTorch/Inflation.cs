using System.IO.Compression;

namespace Marrow.Formats.PyTorch;

/// <summary>One pass through a deflated range, which can go forward only; the reading never gives more than the range's stated size.</summary>
internal sealed class Inflation(DataRange range, Stream stored, string path) : IDisposable
{
    private readonly DeflateStream _stream = new(stored, CompressionMode.Decompress);

    public DataRange Range => range;

    /// <summary>Inflated bytes passed so far.</summary>
    public long Position { get; private set; }

    /// <summary>Goes on to byte <paramref name="at"/> ≥ <see cref="Position"/> and fills <paramref name="destination"/> from there.</summary>
    public void Read(long at, Span<byte> destination)
    {
        if (Position < at)
        {
            byte[] skipped = new byte[(int)Math.Min(at - Position, 1 << 16)];
            while (Position < at)
                Fill(skipped.AsSpan(0, (int)Math.Min(skipped.Length, at - Position)));
        }
        Fill(destination);
    }

    public void Dispose() => _stream.Dispose();

    public static ModelFileException Damaged(string path, string what, Exception? inner) => new("PT006", path,
        $"{Echo.Name(what)}: the compressed data are damaged or inflate to another size than the archive states; fetch the file again, or save it anew with torch.save, which does not compress",
        inner);

    private void Fill(Span<byte> destination)
    {
        try
        {
            _stream.ReadExactly(destination);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw Damaged(path, range.What, e);
        }
        Position += destination.Length;
    }
}
