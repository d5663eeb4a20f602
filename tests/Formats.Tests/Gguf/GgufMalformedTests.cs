using Marrow.Formats.Gguf;
using Xunit.Abstractions;
using static Marrow.Formats.Tests.Gguf.RawGguf;

namespace Marrow.Formats.Tests.Gguf;

/// <summary>What GGUF files that cannot be read are told, beside the cases of the catalogue.</summary>
public sealed class GgufMalformedTests(ITestOutputHelper output) : IDisposable
{
    private const int Q4_0 = 2;

    private readonly ParserCheck _check = new(output, "malformed.gguf", path => GgufFile.Open(path).Dispose());
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _check.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_folder_is_refused() => Assert.Equal("IO001", Assert.Throws<ModelFileException>(() => GgufFile.Open(_folder.Path)).Code);

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
