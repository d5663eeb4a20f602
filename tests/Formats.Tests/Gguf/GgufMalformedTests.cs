using System.Text;
using Marrow.Formats.Gguf;
using Xunit.Abstractions;
using static Marrow.Formats.Tests.Gguf.RawGguf;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>The catalogue of malformed files, spec/formats.md §9, cases 24 to 45 and 85 to 87, and the vulnerabilities of §10.2.</summary>
public sealed class GgufMalformedTests(ITestOutputHelper output) : IDisposable
{
    private const int Q4_0 = 2, Q4_K = 12, F64 = 28;

    private static readonly Dictionary<string, (string Code, Func<byte[]> File)> Cases = new()
    {
        ["24 ggml"] = ("GG001", () => new RawGguf { Magic = "GGML"u8.ToArray() }.Bytes()),
        ["24 lmgg"] = ("GG001", () => new RawGguf { Magic = "lmgg"u8.ToArray() }.Bytes()),
        ["24 tjgg"] = ("GG001", () => new RawGguf { Magic = "tjgg"u8.ToArray() }.Bytes()),
        ["24 zip"] = ("GG001", () => [.. "PK\u0003\u0004"u8, .. new byte[40]]),
        ["25 version 0"] = ("GG002", () => new RawGguf { Version = 0 }.Bytes()),
        ["25 version 1"] = ("GG002", () => new RawGguf { Version = 1 }.Bytes()),
        ["25 version 4"] = ("GG002", () => new RawGguf { Version = 4 }.Bytes()),
        ["25 big-endian"] = ("GG002", () => new RawGguf { Version = 0x0300_0000 }.Bytes()),
        ["26 tensors 2^63"] = ("GG003", () => new RawGguf { Tensors = 1ul << 63 }.Text("a", "b").Bytes()),
        ["26 tensors -1"] = ("GG003", () => new RawGguf { Tensors = ulong.MaxValue }.Text("a", "b").Bytes()),
        ["26 tensors 2^60"] = ("GG003", () => new RawGguf { Tensors = 1ul << 60 }.Text("a", "b").Bytes()),
        ["26 pairs 2^60"] = ("GG003", () => new RawGguf { Pairs = 1ul << 60 }.Text("a", "b").Bytes()),
        ["26 pairs -1"] = ("GG003", () => new RawGguf { Pairs = ulong.MaxValue }.Text("a", "b").Bytes()),
        ["26 one pair too many"] = ("GG004", () => new RawGguf { Pairs = 3 }.Text("a", "b").Text("c", new string('x', 30)).Bytes()),
        ["28 key length -1"] = ("GG005", () => new RawGguf().RawPair(UInt64(ulong.MaxValue), new byte[30]).Bytes()),
        ["28 key length 2^40"] = ("GG005", () => new RawGguf().RawPair(UInt64(1ul << 40), new byte[30]).Bytes()),
        ["28 key length one too long"] = ("GG005", () => new RawGguf().RawPair(UInt64(31), new byte[30]).Bytes()),
        ["28 text length -1"] = ("GG005", () => new RawGguf().Pair("a", (int)GgufType.String, [.. UInt64(ulong.MaxValue), .. new byte[30]]).Bytes()),
        ["28 text length 2^63"] = ("GG005", () => new RawGguf().Pair("a", (int)GgufType.String, [.. UInt64(1ul << 63), .. new byte[30]]).Bytes()),
        ["28 text length in an array"] = ("GG005", () => new RawGguf().Array("a", (int)GgufType.String, 2, [.. RawGguf.String("x"), .. UInt64(ulong.MaxValue - 7)]).Bytes()),
        ["28 name length 2^32"] = ("GG005", () => new RawGguf().RawTensor([.. UInt64(1ul << 32), .. new byte[40]]).Bytes()),
        ["29 empty key"] = ("GG006", () => new RawGguf().Number("", 1).Bytes()),
        ["29 long key"] = ("GG006", () => new RawGguf().Number(new string('k', 65_536), 1).Bytes()),
        ["29 key no UTF-8"] = ("GG006", () => new RawGguf().RawPair(UInt64(2), [0xC3, 0x28], UInt32(4), UInt32(1)).Bytes()),
        ["30 duplicate key"] = ("GG007", () => new RawGguf().Number("k", 1).Text("k", "x").Bytes()),
        ["31 type 13"] = ("GG008", () => new RawGguf().Pair("k", 13, new byte[8]).Bytes()),
        ["31 type -1"] = ("GG008", () => new RawGguf().Pair("k", -1, new byte[8]).Bytes()),
        ["31 element type 13"] = ("GG008", () => new RawGguf().Array("k", 13, 1, new byte[8]).Bytes()),
        ["31 element type -9"] = ("GG008", () => new RawGguf().Array("k", -9, 1, new byte[8]).Bytes()),
        ["32 nested"] = ("GG009", () => new RawGguf().Array("k", 9, 1, [.. UInt32(0), .. UInt64(1), 7]).Bytes()),
        ["32 nested 1000 deep"] = ("GG009", () => new RawGguf().Array("k", 9, 1, [.. Enumerable.Repeat<byte[]>([.. UInt32(9), .. UInt64(1)], 1000).SelectMany(b => b)]).Bytes()),
        ["33 array 2^61 of u64"] = ("GG010", () => new RawGguf().Array("k", (int)GgufType.U64, 1ul << 61, new byte[16]).Bytes()),
        ["33 array 2^62+1 of u32"] = ("GG010", () => new RawGguf().Array("k", (int)GgufType.U32, (1ul << 62) + 1, new byte[16]).Bytes()),
        ["33 array -1 of u8"] = ("GG010", () => new RawGguf().Array("k", (int)GgufType.U8, ulong.MaxValue, new byte[16]).Bytes()),
        ["33 array one too long"] = ("GG010", () => new RawGguf().Array("k", (int)GgufType.F32, 5, new byte[19]).Bytes()),
        ["34 strings 2^40"] = ("GG010", () => new RawGguf().Array("k", (int)GgufType.String, 1ul << 40, new byte[64]).Bytes()),
        ["34 strings 2^61"] = ("GG010", () => new RawGguf().Array("k", (int)GgufType.String, 1ul << 61, new byte[64]).Bytes()),
        ["35 bool 2"] = ("GG011", () => new RawGguf().Pair("k", (int)GgufType.Bool, 2).Bytes()),
        ["35 bool 255 in an array"] = ("GG011", () => new RawGguf().Array("k", (int)GgufType.Bool, 3, 0, 1, 255).Bytes()),
        ["36 alignment 0"] = ("GG012", () => new RawGguf().Number("general.alignment", 0).Bytes()),
        ["36 alignment 3"] = ("GG012", () => new RawGguf().Number("general.alignment", 3).Bytes()),
        ["36 alignment 2^31"] = ("GG012", () => new RawGguf().Number("general.alignment", 1u << 31).Bytes()),
        ["36 alignment 2^31+32"] = ("GG012", () => new RawGguf().Number("general.alignment", (1u << 31) + 32).Bytes()),
        ["36 alignment u64"] = ("GG012", () => new RawGguf().Pair("general.alignment", (int)GgufType.U64, UInt64(32)).Bytes()),
        ["36 alignment text"] = ("GG012", () => new RawGguf().Text("general.alignment", "32").Bytes()),
        ["36 alignment array"] = ("GG012", () => new RawGguf().Array("general.alignment", (int)GgufType.U32, 1, UInt32(32)).Bytes()),
        ["37 5 dimensions"] = ("GG013", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, 1, 1, 1, 1, 1).Bytes()),
        ["37 2^32-1 dimensions"] = ("GG013", () => new RawGguf { Data = 32 }.RawTensor([.. RawGguf.String("x"), .. UInt32(-1), .. new byte[32]]).Bytes()),
        ["38 size 0"] = ("GG014", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, 4, 0).Bytes()),
        ["38 size -1"] = ("GG014", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, -1).Bytes()),
        ["38 two negative sizes"] = ("GG014", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, -2, -2).Bytes()),
        ["38 elements overflow"] = ("GG015", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, 1L << 33, 1L << 33).Bytes()),
        ["38 elements wrap to 0"] = ("GG015", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, 1L << 32, 1L << 32).Bytes()),
        ["38 four sizes wrap"] = ("GG015", () => new RawGguf { Data = 32 }.Tensor("x", 0, 0, long.MaxValue, long.MaxValue, long.MaxValue, long.MaxValue).Bytes()),
        ["38 bytes overflow"] = ("GG015", () => new RawGguf { Data = 32 }.Tensor("x", F64, 0, 1L << 61).Bytes()),
        ["39 type 4"] = ("GG016", () => new RawGguf { Data = 32 }.Tensor("x", 4, 0, 32).Bytes()),
        ["39 type 5"] = ("GG016", () => new RawGguf { Data = 32 }.Tensor("x", 5, 0, 32).Bytes()),
        ["39 type 31"] = ("GG016", () => new RawGguf { Data = 32 }.Tensor("x", 31, 0, 32).Bytes()),
        ["39 type 36"] = ("GG016", () => new RawGguf { Data = 32 }.Tensor("x", 36, 0, 32).Bytes()),
        ["39 type 999"] = ("GG016", () => new RawGguf { Data = 32 }.Tensor("x", 999, 0, 32).Bytes()),
        ["39 type -1"] = ("GG016", () => new RawGguf { Data = 32 }.Tensor("x", -1, 0, 32).Bytes()),
        ["40 Q4_0 of 33"] = ("GG017", () => new RawGguf { Data = 64 }.Tensor("x", Q4_0, 0, 33).Bytes()),
        ["40 Q4_K of 128"] = ("GG017", () => new RawGguf { Data = 256 }.Tensor("x", Q4_K, 0, 128, 2).Bytes()),
        ["40 Q4_0 scalar"] = ("GG017", () => new RawGguf { Data = 64 }.Tensor("x", Q4_0, 0).Bytes()),
        ["41 offset 1"] = ("GG018", () => new RawGguf { Data = 64 }.Tensor("x", 0, 1, 4).Bytes()),
        ["41 offset 2^64-32"] = ("GG019", () => new RawGguf { Data = 64 }.Tensor("x", 0, ulong.MaxValue - 31, 4).Bytes()),
        ["41 offset 2^63-64"] = ("GG019", () => new RawGguf { Data = 64 }.Tensor("x", 0, (1ul << 63) - 64, 4).Bytes()),
        ["42 same offset"] = ("GG020", () => new RawGguf { Data = 64 }.Tensor("x", 0, 0, 4).Tensor("y", 0, 0, 4).Bytes()),
        ["42 overlap"] = ("GG020", () => new RawGguf { Data = 96 }.Tensor("x", 0, 0, 16).Tensor("y", 0, 32, 4).Bytes()),
        ["42 hole"] = ("GG020", () => new RawGguf { Data = 96 }.Tensor("x", 0, 0, 4).Tensor("y", 0, 64, 4).Bytes()),
        ["42 out of order"] = ("GG020", () => new RawGguf { Data = 64 }.Tensor("x", 0, 32, 4).Tensor("y", 0, 0, 4).Bytes()),
        ["43 cut by one byte"] = ("GG021", () => new RawGguf { Data = 127 }.Tensor("x", 0, 0, 8, 4).Bytes()),
        ["43 no data"] = ("GG021", () => new RawGguf().Tensor("x", 0, 0, 8, 4).Bytes()),
        ["44 sizes add up to 2^64"] = ("GG019", () => new RawGguf { Data = 64 }
            .Tensor("a", 24, 0, 1L << 62).Tensor("b", 24, 1ul << 62, 1L << 62).Tensor("c", 24, 1ul << 63, 1L << 62).Tensor("d", 24, 3ul << 62, 1L << 62).Tensor("e", 24, 0, 32).Bytes()),
        ["44 padding wraps"] = ("GG019", () => new RawGguf { Data = 64 }.Tensor("a", 24, 0, long.MaxValue).Tensor("b", 24, 1ul << 63, 32).Bytes()),
        ["44 size near 2^63"] = ("GG019", () => new RawGguf { Data = 64 }.Tensor("a", 24, 0, long.MaxValue - 31).Bytes()),
        ["45 duplicate name"] = ("GG022", () => new RawGguf { Data = 64 }.Tensor("x", 0, 0, 4).Tensor("x", 0, 32, 4).Bytes()),
        ["45 name of 64 bytes"] = ("GG023", () => new RawGguf { Data = 64 }.Tensor(new string('n', 64), 0, 0, 4).Bytes()),
        ["45 empty name"] = ("GG023", () => new RawGguf { Data = 64 }.Tensor("", 0, 0, 4).Bytes()),
        ["45 name no UTF-8"] = ("GG023", () => new RawGguf { Data = 64 }.RawTensor([.. UInt64(1), 0xFF, .. UInt32(1), .. UInt64(4), .. UInt32(0), .. UInt64(0)]).Bytes()),
        ["85 LFS pointer"] = ("IO004", () => Encoding.ASCII.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")),
        ["85 empty"] = ("IO002", () => []),
        ["87 web page"] = ("IO006", () => "\n<!DOCTYPE html><html></html>"u8.ToArray()),
    };

    private readonly ParserCheck _check = new(output, "malformed.gguf", path => GgufFile.Open(path).Dispose());
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names => [.. Cases.Keys];

    public void Dispose()
    {
        _check.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Catalogue(string name)
    {
        var (code, file) = Cases[name];
        Assert.Equal(code, _check.Try(file(), name));
        IReadOnlyList<ModelFileException> problems = GgufFile.Examine(_folder.Put("t.gguf", file()));
        Assert.Contains(code, problems.Select(p => p.Code));
        Assert.All(problems, p => Assert.StartsWith(_folder["t.gguf"], p.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_folder_is_refused() => Assert.Equal("IO001", Assert.Throws<ModelFileException>(() => GgufFile.Open(_folder.Path)).Code);

    /// <summary>Case 27.</summary>
    [Fact]
    public void Every_truncation_is_refused()
    {
        byte[] file = Small();
        for (int length = 0; length < file.Length; length++)
            Assert.NotNull(_check.Try(file[..length], $"cut to {length}"));
        Assert.Null(_check.Try(file, "whole"));
        Assert.Equal(["GG003", "GG004", "GG005", "GG010", "GG021", "IO002"], _check.Codes.Keys);
    }

    [Fact]
    public void Boundary_values_at_every_byte_are_taken_or_refused()
    {
        byte[] file = Small();
        foreach (ulong boundary in Mutator.Boundaries)
            foreach (int width in (int[])[4, 8])
                for (int at = 0; at + width <= file.Length - 128; at++)
                {
                    byte[] damaged = [.. file];
                    UInt64(boundary).AsSpan(0, width).CopyTo(damaged.AsSpan(at));
                    _check.Try(damaged, $"{boundary} in {width} bytes at {at}");
                }
        output.WriteLine($"{_check.Count} files, refused: {string.Join(", ", _check.Codes.Select(c => $"{c.Key} {c.Value}"))}");
        Assert.True(_check.Codes.Count > 15);
    }

    [Fact]
    public void All_problems_of_the_tensors_are_told()
    {
        string path = _folder.Put("t.gguf", new RawGguf { Data = 32 }.Pair("flag", (int)GgufType.Bool, 9).Number("general.alignment", 5).Number("flag", 1)
            .Tensor("a", 4, 0, 32).Tensor("b", Q4_0, 0, 33).Tensor("c", 0, 0, 0).Tensor("d", 0, 3, 4).Tensor("d", 0, 0, 400).Bytes());
        Assert.Equal(["GG011", "GG007", "GG012", "GG016", "GG017", "GG014", "GG018", "GG021"], GgufFile.Examine(path).Select(p => p.Code));
        Assert.Empty(GgufFile.Examine(_folder.Put("small.gguf", Small())));
    }

    [Fact]
    public void Small_elements_that_grow_in_memory_are_refused_beyond_the_budget()
    {
        // Eight bytes are kept for each: 14 MiB would take 112, where 64 and three times the file are allowed.
        byte[] file = new RawGguf().Array("k", (int)GgufType.U8, 14 << 20, new byte[14 << 20]).Bytes();
        Assert.Equal("GG010", _check.Try(file, "14 Mi numbers of 8 bits"));
        Assert.Null(_check.Try(new RawGguf().Array("k", (int)GgufType.U8, 6 << 20, new byte[6 << 20]).Bytes(), "6 Mi"));
    }

    [Fact]
    public void Names_in_messages_are_escaped_and_cut()
    {
        ModelFileException problem = Assert.Throws<ModelFileException>(() => GgufFile.Open(_folder.Put("t.gguf", new RawGguf().Pair("a\n\u202e" + new string('x', 50_000), 13, 0).Bytes())));
        Assert.Contains("'a\\u000A\\u202Ex", problem.Message, StringComparison.Ordinal);
        Assert.InRange(problem.Message.Length, 1, 600);
    }

    internal static byte[] Small() => new RawGguf { Data = 162 }.Text("general.architecture", "llama").Number("general.alignment", 32).Pair("f", (int)GgufType.Bool, 1)
        .Array("n", (int)GgufType.F32, 2, new byte[8]).Array("s", (int)GgufType.String, 2, [.. RawGguf.String("ab"), .. RawGguf.String("")])
        .Tensor("one", 0, 0, 3, 2).Tensor("two", 8, 32, 32, 2).Tensor("three", 1, 128, 17).Bytes();
}
