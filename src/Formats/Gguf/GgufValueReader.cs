using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Marrow.Formats.Gguf;

/// <summary>Reads the values of GGUF metadata (spec/formats.md §2.1, §2.3). Elements of fixed size are checked once for the whole array.</summary>
internal sealed class GgufValueReader(GgufInput input, Action<ModelFileException> report)
{
    private const long MostElements = 1 << 30;
    private const int FirstElements = 1 << 16;
    private const int ReferenceBytes = 8;

    /// <summary>Bytes of a stored value; 0 for strings and arrays.</summary>
    public static int SizeOf(GgufType type) => type switch
    {
        GgufType.U8 or GgufType.I8 or GgufType.Bool => 1,
        GgufType.U16 or GgufType.I16 => 2,
        GgufType.U32 or GgufType.I32 or GgufType.F32 => 4,
        GgufType.U64 or GgufType.I64 or GgufType.F64 => 8,
        _ => 0,
    };

    /// <exception cref="ModelFileException">GG004, GG005, GG008 … GG011.</exception>
    public GgufValue Read(string key)
    {
        GgufType type = Type(key);
        if (type != GgufType.Array)
            return new GgufValue(type, type == GgufType.String ? input.String($"metadata '{key}'") : Scalar(key, type));
        GgufType element = Type(key);
        if (element == GgufType.Array)
            throw Error("GG009", key, $"is an array of arrays at byte {input.Position - 4}; nested arrays are not supported");
        ulong count = input.UInt64($"metadata '{key}'");
        if (count > MostElements || (long)count > input.Remaining / Math.Max(SizeOf(element), 1) || (element == GgufType.String && (long)count > input.Remaining / sizeof(ulong)))
            throw Error("GG010", key, $"is an array of {count} {element}s at byte {input.Position - 8}, which is larger than the {input.Remaining} bytes left of {input.Limit}; the file is damaged or was cut short, fetch it again");
        return new GgufValue(element, element == GgufType.String ? Strings(key, (int)count) : Numbers(key, element, (int)count));
    }

    private GgufType Type(string key)
    {
        int type = input.Int32($"the type of metadata '{key}'");
        return type is >= 0 and <= (int)GgufType.F64 ? (GgufType)type
            : throw Error("GG008", key, $"has the unknown value type {type} at byte {input.Position - 4}; known are 0 to 12, so the file is damaged or newer than this program");
    }

    private object Scalar(string key, GgufType type)
    {
        ReadOnlySpan<byte> bytes = input.Take(SizeOf(type), $"metadata '{key}'");
        return type switch
        {
            GgufType.Bool => Flag(key, bytes[0], input.Position - 1),
            GgufType.F32 => (double)BinaryPrimitives.ReadSingleLittleEndian(bytes),
            GgufType.F64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
            GgufType.U64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
            _ => Whole(type, bytes),
        };
    }

    private byte[][] Strings(string key, int count)
    {
        string what = $"metadata '{key}'";
        byte[][] items = new byte[Math.Min(count, FirstElements)][];
        for (int i = 0; i < count; i++)
        {
            if (i == items.Length)
                Array.Resize(ref items, (int)Math.Min(count, 2L * i));
            input.Spend(ReferenceBytes);
            items[i] = input.String(what);
        }
        return items;
    }

    private Array Numbers(string key, GgufType type, int count)
    {
        int size = SizeOf(type), kept = type == GgufType.Bool ? 1 : 8;
        input.Spend((long)count * kept, (long)count * size);
        Array items = type switch
        {
            GgufType.Bool => new bool[count],
            GgufType.F32 or GgufType.F64 => new double[count],
            GgufType.U64 => new ulong[count],
            _ => new long[count],
        };
        for (int at = 0; at < count;)
        {
            ReadOnlySpan<byte> piece = input.TakeSome(count - at, size, $"metadata '{key}'");
            int n = piece.Length / size;
            // By type first: to the runtime a long[] is a ulong[] too.
            switch (items)
            {
                case bool[] flags:
                    for (int i = 0; i < n; i++)
                        flags[at + i] = Flag(key, piece[i], input.Position - n + i);
                    break;
                case double[] doubles when type == GgufType.F64:
                    MemoryMarshal.Cast<byte, double>(piece).CopyTo(doubles.AsSpan(at));
                    break;
                case double[] doubles:
                    ReadOnlySpan<float> floats = MemoryMarshal.Cast<byte, float>(piece);
                    for (int i = 0; i < n; i++)
                        doubles[at + i] = floats[i];
                    break;
                case ulong[] large when type == GgufType.U64:
                    MemoryMarshal.Cast<byte, ulong>(piece).CopyTo(large.AsSpan(at));
                    break;
                case long[] whole:
                    for (int i = 0; i < n; i++)
                        whole[at + i] = Whole(type, piece[(i * size)..]);
                    break;
            }
            at += n;
        }
        return items;
    }

    private static long Whole(GgufType type, ReadOnlySpan<byte> bytes) => type switch
    {
        GgufType.U8 => bytes[0],
        GgufType.I8 => (sbyte)bytes[0],
        GgufType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        GgufType.I16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
        GgufType.U32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        GgufType.I32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
        _ => BinaryPrimitives.ReadInt64LittleEndian(bytes),
    };

    private bool Flag(string key, byte value, long at)
    {
        if (value > 1)
            report(Error("GG011", key, $"has the truth value {value} at byte {at}; only 0 and 1 are allowed, so the file is damaged"));
        return value != 0;
    }

    private ModelFileException Error(string code, string key, string message) => new(code, input.Path, $"metadata '{key}' {message}");
}
