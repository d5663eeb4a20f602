using System.Buffers.Binary;
using System.Text;
using Marrow.Formats.Gguf;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>Puts GGUF bytes together field by field without our writer, so that they may be wrong. Counts are those of what was added unless stated.</summary>
internal sealed class RawGguf
{
    private readonly List<byte> _pairs = [], _infos = [];
    private ulong _pairCount, _infoCount;

    public byte[] Magic { get; init; } = "GGUF"u8.ToArray();

    public uint Version { get; init; } = 3;

    public ulong? Tensors { get; init; }

    public ulong? Pairs { get; init; }

    public int Alignment { get; init; } = 32;

    /// <summary>Bytes of tensor data behind the padded header.</summary>
    public int Data { get; init; }

    /// <summary>Adds a key and its value's type and bytes.</summary>
    public RawGguf Pair(string key, int type, params byte[] value) => RawPair(UInt64((ulong)Encoding.UTF8.GetByteCount(key)), Encoding.UTF8.GetBytes(key), UInt32(type), value);

    /// <summary>Adds a pair of any bytes.</summary>
    public RawGguf RawPair(params byte[][] pieces)
    {
        _pairCount++;
        foreach (byte[] piece in pieces)
            _pairs.AddRange(piece);
        return this;
    }

    public RawGguf Text(string key, string value) => Pair(key, (int)GgufType.String, String(value));

    public RawGguf Number(string key, uint value) => Pair(key, (int)GgufType.U32, UInt32((int)value));

    public RawGguf Array(string key, int type, ulong count, params byte[] elements) => Pair(key, (int)GgufType.Array, [.. UInt32(type), .. UInt64(count), .. elements]);

    /// <summary>Adds a tensor's description; the sizes stand fastest first.</summary>
    public RawGguf Tensor(string name, int type, ulong offset, params long[] sizes) => RawTensor([.. String(name), .. UInt32(sizes.Length), .. sizes.SelectMany(s => UInt64((ulong)s)), .. UInt32(type), .. UInt64(offset)]);

    /// <summary>Adds a tensor's description of any bytes.</summary>
    public RawGguf RawTensor(byte[] info)
    {
        _infoCount++;
        _infos.AddRange(info);
        return this;
    }

    public byte[] Bytes()
    {
        List<byte> file = [.. Magic, .. UInt32((int)Version), .. UInt64(Tensors ?? _infoCount), .. UInt64(Pairs ?? _pairCount), .. _pairs, .. _infos];
        if (Data > 0)
        {
            while (file.Count % Alignment != 0)
                file.Add(0);
            file.AddRange(Enumerable.Range(0, Data).Select(i => (byte)(i % 7)));
        }
        return [.. file];
    }

    public static byte[] String(string text) => [.. UInt64((ulong)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] UInt32(long value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)value);
        return bytes;
    }

    public static byte[] UInt64(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes;
    }
}
