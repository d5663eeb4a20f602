namespace Marrow.Formats.PyTorch;

/// <summary>Passes writes on to <paramref name="target"/>, counts them and keeps their CRC-32.</summary>
internal sealed class MeasuredStream(Stream target) : SinkStream
{
    public uint Crc { get; private set; }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        target.Write(buffer);
        Crc = Crc32.Append(Crc, buffer);
        Position += buffer.Length;
    }
}
