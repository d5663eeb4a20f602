using System.Buffers.Binary;

namespace Marrow.Formats.Gguf;

/// <summary>Puts the fields of a GGUF header into a stream.</summary>
internal sealed class GgufOutput(Stream stream, string path)
{
    public void UInt32(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    public void UInt64(ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    public void String(ReadOnlySpan<byte> text)
    {
        UInt64((ulong)text.Length);
        stream.Write(text);
    }

    /// <summary>A key with its value.</summary>
    /// <exception cref="ModelFileException">GG006 the key, GG008 or GG009 the value cannot be stored.</exception>
    public void Pair(string key, byte[]? utf8, GgufValue value)
    {
        if (utf8 is not { Length: > 0 and <= GgufHeader.LongestKey })
            throw new ModelFileException("GG006", path, $"'{Echo.Name(key)}' cannot be a metadata key; keys have 1 to {GgufHeader.LongestKey} bytes of UTF-8");
        String(utf8);
        if (value.Type is GgufType.Array || !Enum.IsDefined(value.Type))
            throw new ModelFileException("GG009", path, $"metadata '{Echo.Name(key)}': nested arrays are not supported");
        if (value.IsArray)
        {
            UInt32((uint)GgufType.Array);
            UInt32((uint)value.Type);
            UInt64((ulong)value.Count);
        }
        else
            UInt32((uint)value.Type);
        switch (value.Type, value.Content)
        {
            case (GgufType.String, byte[] text):
                String(text);
                break;
            case (GgufType.String, byte[][] texts):
                foreach (byte[] text in texts)
                    String(text);
                break;
            case (GgufType.Bool, bool flag):
                stream.WriteByte(flag ? (byte)1 : (byte)0);
                break;
            case (GgufType.Bool, bool[] flags):
                foreach (bool flag in flags)
                    stream.WriteByte(flag ? (byte)1 : (byte)0);
                break;
            case (GgufType.F32 or GgufType.F64, double number):
                Number(value.Type, number);
                break;
            case (GgufType.F32 or GgufType.F64, double[] numbers):
                foreach (double number in numbers)
                    Number(value.Type, number);
                break;
            case (GgufType.U64, ulong number):
                UInt64(number);
                break;
            case (GgufType.U64, ulong[] numbers):
                foreach (ulong number in numbers)
                    UInt64(number);
                break;
            case (not (GgufType.String or GgufType.Bool or GgufType.F32 or GgufType.F64 or GgufType.U64), long number):
                Whole(key, value.Type, number);
                break;
            case (not (GgufType.String or GgufType.Bool or GgufType.F32 or GgufType.F64 or GgufType.U64), long[] numbers):
                foreach (long number in numbers)
                    Whole(key, value.Type, number);
                break;
            default:
                throw new ModelFileException("GG008", path, $"metadata '{Echo.Name(key)}': a {value.Content.GetType().Name} cannot be stored as {value.Type}");
        }
    }

    private void Number(GgufType type, double number)
    {
        if (type == GgufType.F32)
            UInt32(BitConverter.SingleToUInt32Bits((float)number));
        else
            UInt64(BitConverter.DoubleToUInt64Bits(number));
    }

    private void Whole(string key, GgufType type, long number)
    {
        (long least, long most) = type switch
        {
            GgufType.U8 => (byte.MinValue, byte.MaxValue),
            GgufType.I8 => (sbyte.MinValue, sbyte.MaxValue),
            GgufType.U16 => (ushort.MinValue, ushort.MaxValue),
            GgufType.I16 => (short.MinValue, short.MaxValue),
            GgufType.U32 => (uint.MinValue, uint.MaxValue),
            GgufType.I32 => (int.MinValue, int.MaxValue),
            _ => (long.MinValue, long.MaxValue),
        };
        if (number < least || number > most)
            throw new ModelFileException("GG008", path, $"metadata '{Echo.Name(key)}': {number} does not fit into {type}");
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        stream.Write(bytes[..GgufValueReader.SizeOf(type)]);
    }
}
