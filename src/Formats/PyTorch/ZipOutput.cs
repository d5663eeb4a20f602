using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Marrow.Formats.PyTorch;

/// <summary>
/// Writes a ZIP archive as torch does: nothing compressed, every entry's data at a multiple of 64 bytes, checksums behind the data
/// (spec/formats.md §4.1, §4.4). Numbers of at least <paramref name="zip64From"/> stand in ZIP64 records. The same input gives the same bytes.
/// </summary>
internal sealed class ZipOutput(Stream target, long zip64From = uint.MaxValue)
{
    private const int Alignment = 64;
    private const ushort PaddingField = 0x4246, Flags = 0x0808, Version = 20, Version64 = 45, FirstDate = 0x0021;
    private const uint DescriptorSignature = 0x08074B50;

    private readonly List<Written> _entries = [];
    private long _at;

    private readonly record struct Written(byte[] Name, long Local, long Bytes, uint Crc);

    public void Add(string name, ReadOnlyMemory<byte> content) => Add(name, content.Length, stream => stream.Write(content.Span));

    /// <summary>Adds an entry whose <paramref name="bytes"/> are written by <paramref name="write"/>.</summary>
    /// <exception cref="InvalidOperationException">Another number of bytes was written.</exception>
    public void Add(string name, long bytes, Action<Stream> write)
    {
        byte[] encoded = Encoding.UTF8.GetBytes(name);
        long local = _at;
        bool large = bytes >= zip64From;
        Put(LocalHeader(encoded, large));
        MeasuredStream content = new(target);
        write(content);
        if (content.Position != bytes)
            throw new InvalidOperationException($"'{name}' wrote {content.Position} bytes where {bytes} were announced");
        _at += bytes;
        _entries.Add(new Written(encoded, local, bytes, content.Crc));
        Fields descriptor = new();
        descriptor.UInt32(DescriptorSignature).UInt32(content.Crc);
        if (large)
            descriptor.UInt64(bytes).UInt64(bytes);
        else
            descriptor.UInt32((uint)bytes).UInt32((uint)bytes);
        Put(descriptor);
    }

    /// <summary>Writes the directory; nothing may be added afterwards.</summary>
    public void Finish()
    {
        long start = _at;
        foreach (Written entry in _entries)
            Put(CentralHeader(entry));
        long bytes = _at - start, end = _at;
        bool large = start >= zip64From || bytes >= zip64From || _entries.Count >= ushort.MaxValue;
        Fields last = new();
        if (large)
        {
            last.UInt32(ZipEnd.LongSignature).UInt64(ZipEnd.LongBytes - 12).UInt16(Version64).UInt16(Version64).UInt32(0).UInt32(0)
                .UInt64(_entries.Count).UInt64(_entries.Count).UInt64(bytes).UInt64(start);
            last.UInt32(ZipEnd.LocatorSignature).UInt32(0).UInt64(end).UInt32(1);
        }
        ushort count = large ? ushort.MaxValue : (ushort)_entries.Count;
        last.UInt32(ZipEnd.ShortSignature).UInt32(0).UInt16(count).UInt16(count)
            .UInt32(large ? uint.MaxValue : (uint)bytes).UInt32(large ? uint.MaxValue : (uint)start).UInt16(0);
        Put(last);
    }

    private Fields LocalHeader(byte[] name, bool large)
    {
        const int fieldHead = 4, sizes64 = 16;
        int known = ZipDirectory.LocalBytes + name.Length + (large ? fieldHead + sizes64 : 0) + fieldHead;
        int padding = (int)((Alignment - (_at + known) % Alignment) % Alignment);
        uint size = large ? uint.MaxValue : 0;
        Fields header = new();
        header.UInt32(ZipDirectory.LocalSignature).UInt16(large ? Version64 : Version).UInt16(Flags).UInt16(0).UInt16(0).UInt16(FirstDate)
            .UInt32(0).UInt32(size).UInt32(size).UInt16((ushort)name.Length).UInt16((ushort)(known + padding - ZipDirectory.LocalBytes - name.Length)).Bytes(name);
        if (large)
            header.UInt16(ZipDirectory.Zip64Field).UInt16(sizes64).UInt64(0).UInt64(0);
        header.UInt16(PaddingField).UInt16((ushort)padding);
        for (int i = 0; i < padding; i++)
            header.Bytes("Z"u8);
        return header;
    }

    private Fields CentralHeader(in Written entry)
    {
        bool large = entry.Bytes >= zip64From, far = entry.Local >= zip64From;
        int extra = (large ? 2 * sizeof(ulong) : 0) + (far ? sizeof(ulong) : 0);
        ushort version = large || far ? Version64 : Version;
        uint size = large ? uint.MaxValue : (uint)entry.Bytes;
        Fields header = new();
        header.UInt32(ZipDirectory.CentralSignature).UInt16(version).UInt16(version).UInt16(Flags).UInt16(0).UInt16(0).UInt16(FirstDate).UInt32(entry.Crc)
            .UInt32(size).UInt32(size).UInt16((ushort)entry.Name.Length).UInt16((ushort)(extra > 0 ? extra + 4 : 0)).UInt16(0).UInt16(0).UInt16(0).UInt32(0)
            .UInt32(far ? uint.MaxValue : (uint)entry.Local).Bytes(entry.Name);
        if (extra > 0)
            header.UInt16(ZipDirectory.Zip64Field).UInt16((ushort)extra);
        if (large)
            header.UInt64(entry.Bytes).UInt64(entry.Bytes);
        if (far)
            header.UInt64(entry.Local);
        return header;
    }

    private void Put(Fields fields)
    {
        target.Write(fields.Written);
        _at += fields.Written.Length;
    }

    /// <summary>Little-endian numbers one behind the other.</summary>
    private sealed class Fields
    {
        private readonly ArrayBufferWriter<byte> _buffer = new();

        public ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

        public Fields UInt16(ushort value)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(_buffer.GetSpan(2), value);
            _buffer.Advance(2);
            return this;
        }

        public Fields UInt32(uint value)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(4), value);
            _buffer.Advance(4);
            return this;
        }

        public Fields UInt64(long value)
        {
            BinaryPrimitives.WriteInt64LittleEndian(_buffer.GetSpan(8), value);
            _buffer.Advance(8);
            return this;
        }

        public Fields Bytes(ReadOnlySpan<byte> value)
        {
            _buffer.Write(value);
            return this;
        }
    }
}
