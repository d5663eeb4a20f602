using System.Buffers.Binary;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>Walks over the fields of a protobuf message (spec/formats.md §5.3). Groups are refused; what the caller does not want is skipped.</summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message, string path)
{
    private const int LargestField = (1 << 29) - 1;

    private ReadOnlySpan<byte> _rest = message;
    private ulong _number;
    private ReadOnlySpan<byte> _bytes;

    /// <summary>The field's number.</summary>
    public int Field { get; private set; }

    /// <summary>0 varint, 1 eight bytes, 2 a length and bytes, 5 four bytes.</summary>
    public int Kind { get; private set; }

    /// <summary>Goes to the next field; false at the end.</summary>
    /// <exception cref="ModelFileException">SP001 varint too long; SP002 the message ends within a field; SP003 a kind that is not known; SP004 field number out of range.</exception>
    public bool Next()
    {
        if (_rest.IsEmpty)
            return false;
        ulong key = Varint();
        if (key >> 3 is 0 or > LargestField)
            throw Error("SP004", $"has a field of the number {key >> 3}");
        (Field, Kind) = ((int)(key >> 3), (int)(key & 7));
        switch (Kind)
        {
            case 0:
                _number = Varint();
                break;
            case 1:
                _number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case 2:
                _bytes = Take(Varint());
                break;
            case 5:
                _number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            default:
                throw Error("SP003", $"has a field of wire type {Kind}, which is not used there");
        }
        return true;
    }

    /// <summary>The field as a whole number of 32 bits.</summary>
    public readonly int Integer() => Kind == 0 ? unchecked((int)(long)_number) : throw Wrong();

    /// <summary>The field as a truth value.</summary>
    public readonly bool Flag() => Kind == 0 ? _number != 0 : throw Wrong();

    /// <summary>The field as a 32-bit float.</summary>
    public readonly float Float() => Kind == 5 ? BitConverter.UInt32BitsToSingle((uint)_number) : throw Wrong();

    /// <summary>The field as bytes, a text or a message.</summary>
    public readonly ReadOnlySpan<byte> Bytes() => Kind == 2 ? _bytes : throw Wrong();

    private readonly ModelFileException Wrong() => Error("SP003", $"has the field {Field} in wire type {Kind}, which it never has there");

    private readonly ModelFileException Error(string code, string what) => new(code, path, $"{what}; this is no sentencepiece model, or it is damaged, fetch it again");

    private ulong Varint()
    {
        ulong value = 0;
        for (int i = 0; i < 10; i++)
        {
            byte b = Take(1)[0];
            if (i == 9 && b > 1)
                break;
            value |= (ulong)(b & 0x7F) << (7 * i);
            if (b < 0x80)
                return value;
        }
        throw Error("SP001", "has a number of more than 64 bits");
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)_rest.Length)
            throw Error("SP002", $"has a field of {length} bytes where only {_rest.Length} are left");
        ReadOnlySpan<byte> taken = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return taken;
    }
}
