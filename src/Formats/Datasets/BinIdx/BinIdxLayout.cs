using Marrow.Formats.Numerics;

namespace Marrow.Formats.Datasets.BinIdx;

/// <summary>
/// Places and codes of an .idx file (spec/formats.md §5.2): magic, u64 version 1, u8 type, u64 items n, u64 documents d, then i32 size[n] in tokens,
/// i64 pointer[n] in bytes of the .bin, i64 document[d].
/// </summary>
internal static class BinIdxLayout
{
    public const int HeaderBytes = 34;
    public const ulong Version = 1;

    private static readonly (byte Code, DType Type)[] Types =
        [(1, DType.U8), (2, DType.I8), (3, DType.I16), (4, DType.I32), (5, DType.I64), (8, DType.U16)];

    public static ReadOnlySpan<byte> Magic => "MMIDIDX\0\0"u8;

    public static DType? TypeOf(byte code) => Array.Find(Types, t => t.Code == code) is { Code: not 0 } found ? found.Type : null;

    /// <exception cref="ArgumentException">The format has no such type.</exception>
    public static byte CodeOf(DType type) => Array.Find(Types, t => t.Type == type) is { Code: not 0 } found
        ? found.Code : throw new ArgumentException($"binidx data cannot be {type}; use U8, I8, I16, U16, I32 or I64", nameof(type));

    /// <summary>The smallest and the largest token that a type holds here, where tokens are 32-bit integers.</summary>
    public static (int Least, int Most) RangeOf(DType type) => type switch
    {
        DType.U8 => (byte.MinValue, byte.MaxValue),
        DType.I8 => (sbyte.MinValue, sbyte.MaxValue),
        DType.I16 => (short.MinValue, short.MaxValue),
        DType.U16 => (ushort.MinValue, ushort.MaxValue),
        _ => (int.MinValue, int.MaxValue),
    };

    /// <summary>The two files that a path means: the .idx, the .bin, or what both are called without these endings.</summary>
    public static (string Index, string Data) PathsOf(string path)
    {
        string stem = HasEnding(path) ? path[..^4] : path;
        return (stem + ".idx", stem + ".bin");
    }

    /// <summary>Whether the path ends as one of the two files does.</summary>
    public static bool HasEnding(string path) =>
        path.EndsWith(".idx", StringComparison.Ordinal) || path.EndsWith(".bin", StringComparison.Ordinal);
}
