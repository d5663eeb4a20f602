using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Datasets.BinIdx;

/// <summary>
/// Writes binidx datasets (spec/formats.md §5.2), every item a document. Items are taken one by one; in memory is only the size of each. The .idx comes
/// last: without it the .bin is not taken for a dataset.
/// </summary>
public static class BinIdxWriter
{
    /// <summary>
    /// Writes the .bin and the .idx that <paramref name="path"/> means (see <see cref="BinIdxFile.Open"/>), replacing them. RWKV's data are
    /// <see cref="DType.U16"/>, each item ended by token 0, which the caller puts there.
    /// </summary>
    /// <exception cref="MarrowException">BI009 a token that the type cannot hold; IO008 the disk failed; IO009 a folder stands at a path.</exception>
    /// <exception cref="ArgumentException">The format has no such type.</exception>
    public static void Write(string path, IEnumerable<ReadOnlyMemory<int>> items, DType type = DType.U16)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(items);
        byte code = BinIdxLayout.CodeOf(type);
        (string index, string data) = BinIdxLayout.PathsOf(path);
        var sizes = new List<int>();
        AtomicFile.Write(data, stream =>
        {
            foreach (ReadOnlyMemory<int> item in items)
            {
                WriteItem(stream, path, item.Span, type, sizes.Count);
                sizes.Add(item.Length);
            }
            // An old index must not describe the new data, not even for an instant.
            File.Delete(index);
        });
        AtomicFile.Write(index, stream => WriteIndex(stream, sizes, code, type.Bits() / 8));
    }

    private static void WriteItem(Stream stream, string path, ReadOnlySpan<int> tokens, DType type, int number)
    {
        (int least, int most) = BinIdxLayout.RangeOf(type);
        int width = type.Bits() / 8;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            for (int at = 0; at < tokens.Length;)
            {
                int count = Math.Min(buffer.Length / width, tokens.Length - at);
                for (int i = 0; i < count; i++)
                {
                    int token = tokens[at + i];
                    if (token < least || token > most)
                        throw new MarrowException("BI009", string.Create(CultureInfo.InvariantCulture,
                            $"{path}: item {number + 1}: token {at + i} is {token}, and {type} holds {least} to {most}; choose a wider type [BI009]"));
                    Span<byte> one = buffer.AsSpan(i * width);
                    switch (width)
                    {
                        case 1:
                            one[0] = unchecked((byte)token);
                            break;
                        case 2:
                            BinaryPrimitives.WriteInt16LittleEndian(one, unchecked((short)token));
                            break;
                        case 4:
                            BinaryPrimitives.WriteInt32LittleEndian(one, token);
                            break;
                        default:
                            BinaryPrimitives.WriteInt64LittleEndian(one, token);
                            break;
                    }
                }
                stream.Write(buffer, 0, count * width);
                at += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void WriteIndex(Stream stream, List<int> sizes, byte code, int width)
    {
        Span<byte> header = stackalloc byte[BinIdxLayout.HeaderBytes];
        BinIdxLayout.Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt64LittleEndian(header[9..], BinIdxLayout.Version);
        header[17] = code;
        BinaryPrimitives.WriteInt64LittleEndian(header[18..], sizes.Count);
        BinaryPrimitives.WriteInt64LittleEndian(header[26..], sizes.Count + 1L);
        stream.Write(header);
        Span<byte> one = stackalloc byte[8];
        foreach (int size in sizes)
        {
            BinaryPrimitives.WriteInt32LittleEndian(one, size);
            stream.Write(one[..4]);
        }
        long pointer = 0;
        foreach (int size in sizes)
        {
            BinaryPrimitives.WriteInt64LittleEndian(one, pointer);
            stream.Write(one);
            pointer += (long)size * width;
        }
        for (long document = 0; document <= sizes.Count; document++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(one, document);
            stream.Write(one);
        }
    }
}
