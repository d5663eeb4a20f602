using Marrow.Formats.Gguf;
using Marrow.Formats.Tests.Fuzzing;
using Marrow.Formats.Tests.Gguf;
using static Marrow.Formats.Tests.Gguf.RawGguf;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 24 to 46: GGUF files, with the vulnerabilities of spec/formats.md §10.2.</summary>
internal static class GgufCases
{
    private const int Q4_0 = 2, Q4_K = 12, F64 = 28;

    public static IEnumerable<MalformedCase> All { get; } =
    [
        Row(24, "ggml", "GG001", () => new RawGguf { Magic = "GGML"u8.ToArray() }.Bytes()),
        Row(24, "lmgg", "GG001", () => new RawGguf { Magic = "lmgg"u8.ToArray() }.Bytes()),
        Row(24, "tjgg", "GG001", () => new RawGguf { Magic = "tjgg"u8.ToArray() }.Bytes()),
        Row(24, "zip", "GG001", () => [.. "PK\u0003\u0004"u8, .. new byte[40]]),
        Row(25, "version 0", "GG002", () => new RawGguf { Version = 0 }.Bytes()),
        Row(25, "version 1", "GG002", () => new RawGguf { Version = 1 }.Bytes()),
        Row(25, "version 4", "GG002", () => new RawGguf { Version = 4 }.Bytes()),
        Row(25, "big-endian", "GG002", () => new RawGguf { Version = 0x0300_0000 }.Bytes()),
        Row(26, "tensors 2^63", "GG003", () => new RawGguf { Tensors = 1ul << 63 }.Text("a", "b").Bytes()),
        Row(26, "tensors -1", "GG003", () => new RawGguf { Tensors = ulong.MaxValue }.Text("a", "b").Bytes()),
        Row(26, "tensors 2^60", "GG003", () => new RawGguf { Tensors = 1ul << 60 }.Text("a", "b").Bytes()),
        Row(26, "pairs 2^60", "GG003", () => new RawGguf { Pairs = 1ul << 60 }.Text("a", "b").Bytes()),
        Row(26, "pairs -1", "GG003", () => new RawGguf { Pairs = ulong.MaxValue }.Text("a", "b").Bytes()),
        Row(26, "one pair too many", "GG004", () => new RawGguf { Pairs = 3 }.Text("a", "b").Text("c", new string('x', 30)).Bytes()),
        Row(28, "key length -1", "GG005", () => new RawGguf().RawPair(UInt64(ulong.MaxValue), new byte[30]).Bytes()),
        Row(28, "key length 2^40", "GG005", () => new RawGguf().RawPair(UInt64(1ul << 40), new byte[30]).Bytes()),
        Row(28, "key length one too long", "GG005", () => new RawGguf().RawPair(UInt64(31), new byte[30]).Bytes()),
        Row(28, "text length -1", "GG005", () => new RawGguf().Pair("a", (int)GgufType.String, [.. UInt64(ulong.MaxValue), .. new byte[30]]).Bytes()),
        Row(28, "text length 2^63", "GG005", () => new RawGguf().Pair("a", (int)GgufType.String, [.. UInt64(1ul << 63), .. new byte[30]]).Bytes()),
        Row(28, "text length in an array", "GG005", () => new RawGguf().Array("a", (int)GgufType.String, 2, [.. RawGguf.String("x"), .. UInt64(ulong.MaxValue - 7)]).Bytes()),
        Row(28, "name length 2^32", "GG005", () => new RawGguf().RawTensor([.. UInt64(1ul << 32), .. new byte[40]]).Bytes()),
        Row(29, "empty key", "GG006", () => new RawGguf().Number("", 1).Bytes()),
        Row(29, "long key", "GG006", () => new RawGguf().Number(new string('k', 65_536), 1).Bytes()),
        Row(29, "key no UTF-8", "GG006", () => new RawGguf().RawPair(UInt64(2), [0xC3, 0x28], UInt32(4), UInt32(1)).Bytes()),
        Row(30, "duplicate key", "GG007", () => new RawGguf().Number("k", 1).Text("k", "x").Bytes()),
        Row(31, "type 13", "GG008", () => new RawGguf().Pair("k", 13, new byte[8]).Bytes()),
        Row(31, "type -1", "GG008", () => new RawGguf().Pair("k", -1, new byte[8]).Bytes()),
        Row(31, "element type 13", "GG008", () => new RawGguf().Array("k", 13, 1, new byte[8]).Bytes()),
        Row(31, "element type -9", "GG008", () => new RawGguf().Array("k", -9, 1, new byte[8]).Bytes()),
        Row(32, "nested", "GG009", () => new RawGguf().Array("k", 9, 1, [.. UInt32(0), .. UInt64(1), 7]).Bytes()),
        Row(32, "nested 1000 deep", "GG009", () => new RawGguf().Array("k", 9, 1, [.. Enumerable.Repeat<byte[]>([.. UInt32(9), .. UInt64(1)], 1000).SelectMany(b => b)]).Bytes()),
        Row(33, "array 2^61 of u64", "GG010", () => new RawGguf().Array("k", (int)GgufType.U64, 1ul << 61, new byte[16]).Bytes()),
        Row(33, "array 2^62+1 of u32", "GG010", () => new RawGguf().Array("k", (int)GgufType.U32, (1ul << 62) + 1, new byte[16]).Bytes()),
        Row(33, "array -1 of u8", "GG010", () => new RawGguf().Array("k", (int)GgufType.U8, ulong.MaxValue, new byte[16]).Bytes()),
        Row(33, "array one too long", "GG010", () => new RawGguf().Array("k", (int)GgufType.F32, 5, new byte[19]).Bytes()),
        Row(34, "strings 2^40", "GG010", () => new RawGguf().Array("k", (int)GgufType.String, 1ul << 40, new byte[64]).Bytes()),
        Row(34, "strings 2^61", "GG010", () => new RawGguf().Array("k", (int)GgufType.String, 1ul << 61, new byte[64]).Bytes()),
        Row(35, "bool 2", "GG011", () => new RawGguf().Pair("k", (int)GgufType.Bool, 2).Bytes()),
        Row(35, "bool 255 in an array", "GG011", () => new RawGguf().Array("k", (int)GgufType.Bool, 3, 0, 1, 255).Bytes()),
        Row(36, "alignment 0", "GG012", () => new RawGguf().Number("general.alignment", 0).Bytes()),
        Row(36, "alignment 3", "GG012", () => new RawGguf().Number("general.alignment", 3).Bytes()),
        Row(36, "alignment 2^31", "GG012", () => new RawGguf().Number("general.alignment", 1u << 31).Bytes()),
        Row(36, "alignment 2^31+32", "GG012", () => new RawGguf().Number("general.alignment", (1u << 31) + 32).Bytes()),
        Row(36, "alignment u64", "GG012", () => new RawGguf().Pair("general.alignment", (int)GgufType.U64, UInt64(32)).Bytes()),
        Row(36, "alignment text", "GG012", () => new RawGguf().Text("general.alignment", "32").Bytes()),
        Row(36, "alignment array", "GG012", () => new RawGguf().Array("general.alignment", (int)GgufType.U32, 1, UInt32(32)).Bytes()),
        Row(37, "5 dimensions", "GG013", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, 1, 1, 1, 1, 1).Bytes()),
        Row(37, "2^32-1 dimensions", "GG013", () => new RawGguf { Data = 32 }.RawTensor([.. RawGguf.String("x"), .. UInt32(-1), .. new byte[32]]).Bytes()),
        Row(38, "size 0", "GG014", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, 4, 0).Bytes()),
        Row(38, "size -1", "GG014", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, -1).Bytes()),
        Row(38, "two negative sizes", "GG014", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, -2, -2).Bytes()),
        Row(38, "elements overflow", "GG015", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, 1L << 33, 1L << 33).Bytes()),
        Row(38, "elements wrap to 0", "GG015", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, 1L << 32, 1L << 32).Bytes()),
        Row(38, "four sizes wrap", "GG015", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, long.MaxValue, long.MaxValue, long.MaxValue, long.MaxValue).Bytes()),
        Row(38, "bytes overflow", "GG015", () => new RawGguf { Data = 32 }.Tensor("x", F64, 0, 1L << 61).Bytes()),
        Row(39, "type 4", "GG016", () => new RawGguf { Data = 32 }.Tensor("x", 4, 0, 32).Bytes()),
        Row(39, "type 5", "GG016", () => new RawGguf { Data = 32 }.Tensor("x", 5, 0, 32).Bytes()),
        Row(39, "type 31", "GG016", () => new RawGguf { Data = 32 }.Tensor("x", 31, 0, 32).Bytes()),
        Row(39, "type 36", "GG016", () => new RawGguf { Data = 32 }.Tensor("x", 36, 0, 32).Bytes()),
        Row(39, "type 999", "GG016", () => new RawGguf { Data = 32 }.Tensor("x", 999, 0, 32).Bytes()),
        Row(39, "type -1", "GG016", () => new RawGguf { Data = 32 }.Tensor("x", -1, 0, 32).Bytes()),
        Row(40, "Q4_0 of 33", "GG017", () => new RawGguf { Data = 64 }.Tensor("x", Q4_0, 0, 33).Bytes()),
        Row(40, "Q4_K of 128", "GG017", () => new RawGguf { Data = 256 }.Tensor("x", Q4_K, 0, 128, 2).Bytes()),
        Row(40, "Q4_0 scalar", "GG017", () => new RawGguf { Data = 64 }.Tensor("x", Q4_0, 0).Bytes()),
        Row(41, "offset 1", "GG018", () => new RawGguf { Data = 64 }.Tensor("x", 0, 1, 4).Bytes()),
        Row(41, "offset 2^64-32", "GG019", () => new RawGguf { Data = 64 }.Tensor("x", 0, ulong.MaxValue - 31, 4).Bytes()),
        Row(41, "offset 2^63-64", "GG019", () => new RawGguf { Data = 64 }.Tensor("x", 0, (1ul << 63) - 64, 4).Bytes()),
        Row(42, "same offset", "GG020", () => new RawGguf { Data = 64 }.Tensor("x", 0, 0, 4).Tensor("y", 0, 0, 4).Bytes()),
        Row(42, "overlap", "GG020", () => new RawGguf { Data = 96 }.Tensor("x", 0, 0, 16).Tensor("y", 0, 32, 4).Bytes()),
        Row(42, "hole", "GG020", () => new RawGguf { Data = 96 }.Tensor("x", 0, 0, 4).Tensor("y", 0, 64, 4).Bytes()),
        Row(42, "out of order", "GG020", () => new RawGguf { Data = 64 }.Tensor("x", 0, 32, 4).Tensor("y", 0, 0, 4).Bytes()),
        Row(43, "cut by one byte", "GG021", () => new RawGguf { Data = 127 }.Tensor("x", 0, 0, 8, 4).Bytes()),
        Row(43, "no data", "GG021", () => new RawGguf().Tensor("x", 0, 0, 8, 4).Bytes()),
        Row(44, "sizes add up to 2^64", "GG019", () => new RawGguf { Data = 64 }
            .Tensor("a", 24, 0, 1L << 62).Tensor("b", 24, 1ul << 62, 1L << 62).Tensor("c", 24, 1ul << 63, 1L << 62).Tensor("d", 24, 3ul << 62, 1L << 62).Tensor("e", 24, 0, 32).Bytes()),
        Row(44, "padding wraps", "GG019", () => new RawGguf { Data = 64 }.Tensor("a", 24, 0, long.MaxValue).Tensor("b", 24, 1ul << 63, 32).Bytes()),
        Row(44, "size near 2^63", "GG019", () => new RawGguf { Data = 64 }.Tensor("a", 24, 0, long.MaxValue - 31).Bytes()),
        Row(45, "duplicate name", "GG022", () => new RawGguf { Data = 64 }.Tensor("x", 0, 0, 4).Tensor("x", 0, 32, 4).Bytes()),
        Row(45, "name of 64 bytes", "GG023", () => new RawGguf { Data = 64 }.Tensor(new string('n', 64), 0, 0, 4).Bytes()),
        Row(45, "empty name", "GG023", () => new RawGguf { Data = 64 }.Tensor("", 0, 0, 4).Bytes()),
        Row(45, "name no UTF-8", "GG023", () => new RawGguf { Data = 64 }.RawTensor([.. UInt64(1), 0xFF, .. UInt32(1), .. UInt64(4), .. UInt32(0), .. UInt64(0)]).Bytes()),
        MalformedCase.Of(27, "cut at every byte", "GG021", "malformed.gguf", GgufMalformedTests.Small, CutEverywhere),
        MalformedCase.Of(46, "NaN in a block's scale", "GG024", "malformed.gguf", () => Scaled(Half.NaN), FindFault),
        MalformedCase.Of(46, "infinity in a block's scale", "GG024", "malformed.gguf", () => Scaled(Half.NegativeInfinity), FindFault),
    ];

    private static MalformedCase Row(int number, string what, string code, Func<byte[]> file) => MalformedCase.Of(number, what, code, "malformed.gguf", file, GgufParsers.UseFile);

    /// <summary>Cuts the file to every length; what the last cut gives stands for all.</summary>
    private static void CutEverywhere(string path)
    {
        byte[] whole = File.ReadAllBytes(path);
        GgufParsers.UseFile(path);
        ModelFileException? last = null;
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            last = Assert.Throws<ModelFileException>(() => GgufFile.Open(path));
        }
        File.WriteAllBytes(path, whole);
        throw last!;
    }

    /// <summary>Two blocks of Q8_0, of which the second has the scale.</summary>
    private static byte[] Scaled(Half scale)
    {
        byte[] file = new RawGguf { Data = 68 }.Tensor("x", 8, 0, 64).Bytes();
        BitConverter.TryWriteBytes(file.AsSpan(file.Length - 34), scale);
        return file;
    }

    private static void FindFault(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        throw Assert.IsType<ModelFileException>(file.FirstFault("x"));
    }
}
