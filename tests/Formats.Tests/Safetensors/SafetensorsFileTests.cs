using System.Text;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Formats.Tests.Safetensors;

public sealed class SafetensorsFileTests : IDisposable
{
    private const long MostAllocated = 64L << 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Every row of spec/formats.md §9 for this format, and the vectors of §1.5: case, code, file.</summary>
    public static TheoryData<string, string, byte[]> Malformed()
    {
        const string good = """{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}""";
        byte[] small = Encoding.UTF8.GetBytes(good);
        Assert.Equal(0x3C, small.Length);
        TheoryData<string, string, byte[]> rows = new()
        {
            { "0 bytes", "ST001", [] },
            { "7 bytes", "ST001", new byte[7] },
            { "N = 2^63", "ST002", RawSafetensors.Of(1UL << 63, small, new byte[16]) },
            { "N = 2^64-1", "ST002", RawSafetensors.Of(ulong.MaxValue, small, new byte[16]) },
            { "N = 100,000,001", "ST002", RawSafetensors.Of(100_000_001, small, new byte[16]) },
            { "N = file + 1", "ST003", RawSafetensors.Of((ulong)small.Length + 1, small, []) },
            { "N = 100,000,000 in a small file", "ST003", RawSafetensors.Of(100_000_000, small, []) },
            { "N without header", "ST003", RawSafetensors.Of(0x3C, [], []) },
            { "not UTF-8", "ST004", RawSafetensors.Of([(byte)'{', 0xFF], []) },
            { "cut UTF-8", "ST004", RawSafetensors.Of([(byte)'{', (byte)'"', 0xC3], []) },
            { "byte order mark", "ST005", RawSafetensors.Of("\uFEFF{}", 0) },
            { "leading space", "ST005", RawSafetensors.Of(" {}", 0) },
            { "array", "ST005", RawSafetensors.Of("[]", 0) },
            { "empty header", "ST005", RawSafetensors.Of("", 0) },
            { "brace only", "ST006", RawSafetensors.Of("{", 0) },
            { "truncated JSON", "ST006", RawSafetensors.Of(good[..^1], 16) },
            { "garbage behind", "ST006", RawSafetensors.Of(good + "x", 16) },
            { "second object", "ST006", RawSafetensors.Of("{}{}", 0) },
            { "trailing comma", "ST006", RawSafetensors.Of("{\"__metadata__\":{},}", 0) },
            { "comment", "ST006", RawSafetensors.Of("{/**/}", 0) },
            { "10,000 deep", "ST006", RawSafetensors.Of("{\"a\":{\"x\":" + new string('[', 10_000), 0) },
            { "lone surrogate in a name", "ST006", RawSafetensors.Of(good.Replace("test", "\\uD800", StringComparison.Ordinal), 16) },
            { "lone surrogate in a dtype", "ST006", RawSafetensors.Of(good.Replace("I32", "\\uDC00", StringComparison.Ordinal), 16) },
            { "lone surrogate in metadata", "ST006", RawSafetensors.Of("{\"__metadata__\":{\"k\":\"\\uD800\"}}", 0) },
            { "same name twice", "ST007", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[0,1]")},{RawSafetensors.Entry("x", "U8", "[1]", "[0,1]")}}}", 1) },
            { "same name, other escape", "ST007", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[0,1]")},{RawSafetensors.Entry("\\u0078", "U8", "[1]", "[1,2]")}}}", 2) },
            { "dtype twice", "ST007", RawSafetensors.Of("""{"x":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1) },
            { "metadata key twice", "ST007", RawSafetensors.Of("""{"__metadata__":{"k":"a","k":"b"}}""", 0) },
            { "metadata is a number", "ST008", RawSafetensors.Of("""{"__metadata__":{"k":1}}""", 0) },
            { "metadata is null", "ST008", RawSafetensors.Of("""{"__metadata__":null}""", 0) },
            { "metadata is nested", "ST008", RawSafetensors.Of("""{"__metadata__":{"k":{}}}""", 0) },
            { "dtype missing", "ST009", RawSafetensors.Of("""{"x":{"shape":[1],"data_offsets":[0,1]}}""", 1) },
            { "shape missing", "ST009", RawSafetensors.Of("""{"x":{"dtype":"U8","data_offsets":[0,1]}}""", 1) },
            { "offsets missing", "ST009", RawSafetensors.Of("""{"x":{"dtype":"U8","shape":[1]}}""", 1) },
            { "dtype a number", "ST009", RawSafetensors.Of("""{"x":{"dtype":8,"shape":[1],"data_offsets":[0,1]}}""", 1) },
            { "entry a number", "ST009", RawSafetensors.Of("""{"x":1}""", 1) },
            { "one offset", "ST009", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[0]")}}}", 1) },
            { "three offsets", "ST009", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[0,1,2]")}}}", 1) },
            { "negative offset", "ST009", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[-1,0]")}}}", 1) },
            { "F17", "ST010", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "F17", "[1]", "[0,1]")}}}", 1) },
            { "small f32", "ST010", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "f32", "[1]", "[0,4]")}}}", 4) },
            { "33 dimensions", "ST011", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", $"[{string.Join(',', Enumerable.Repeat(1, 33))}]", "[0,1]")}}}", 1) },
            { "2^32 x 2^32", "ST012", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[4294967296,4294967296]", "[0,0]")}}}", 0) },
            { "2 x (2^64-2)", "ST012", RawSafetensors.Of($"{{{RawSafetensors.Entry("test", "I32", "[2,18446744073709551614]", "[0,16]")}}}", 16) },
            { "2^62 F32", "ST012", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "F32", "[4611686018427387904]", "[0,0]")}}}", 0) },
            { "begin after end", "ST013", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "I32", "[2,2]", "[16,0]")}}}", 16) },
            { "4 bytes for 16", "ST014", RawSafetensors.Of($"{{{RawSafetensors.Entry("test", "I32", "[2,2]", "[0,4]")}}}", 4) },
            { "15 bytes for 16", "ST014", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "I32", "[2,2]", "[0,15]")}}}", 15) },
            { "offsets near 2^64", "ST015", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[18446744073709551614,18446744073709551615]")}}}", 1) },
            { "hole of 1", "ST015", RawSafetensors.Of($"{{{RawSafetensors.Entry("a", "U8", "[1]", "[0,1]")},{RawSafetensors.Entry("x", "U8", "[1]", "[2,3]")}}}", 3) },
            { "hole at the start", "ST015", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[1,2]")}}}", 2) },
            { "overlap of 1", "ST016", RawSafetensors.Of($"{{{RawSafetensors.Entry("y", "U8", "[2]", "[0,2]")},{RawSafetensors.Entry("x", "U8", "[2]", "[1,3]")}}}", 3) },
            { "10^5 entries at [0,4]", "ST016", RawSafetensors.Of($"{{{string.Join(',', Enumerable.Range(0, 100_000).Select(i => RawSafetensors.Entry($"t{i}", "F32", "[1]", "[0,4]")))}}}", 4) },
            { "past the end", "ST017", RawSafetensors.Of(good, 15) },
            { "extra byte", "ST017", RawSafetensors.Of(good, 17) },
            { "{} and a byte", "ST017", RawSafetensors.Of("{}", 1) },
            { "F4 [3]", "ST018", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "F4", "[3]", "[0,2]")}}}", 2) },
            { "F6 [2]", "ST018", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "F6_E2M3", "[2]", "[0,1]")}}}", 1) },
            { "name of 65,536", "ST019", RawSafetensors.Of($"{{{RawSafetensors.Entry(new string('n', 65_536), "U8", "[1]", "[0,1]")}}}", 1) },
            { "LFS pointer", "IO004", Encoding.ASCII.GetBytes("version https://git-lfs.github.com/spec/v1\n") },
            { "web page", "IO006", Encoding.ASCII.GetBytes("<!DOCTYPE html><html>") },
        };
        foreach (string shape in (string[])["[-1]", "[1.5]", "[\"2\"]", "[1e3]", "[18446744073709551616]", "[[1]]", "[null]", "2", "{}", "[1.0]"])
            rows.Add($"shape {shape}", "ST011", RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", shape, "[0,1]")}}}", 1));
        return rows;
    }

    [Theory]
    [MemberData(nameof(Malformed), DisableDiscoveryEnumeration = true)]
    public void RefusesWithItsCodeAndLittleMemory(string defect, string code, byte[] content)
    {
        string path = _folder.Put("bad.safetensors", content);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ModelFileException error = Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(path));
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(error.Code == code, $"{defect}: {error.Message}");
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.True(error.Message.Length < path.Length + 1000, $"{defect}: the message has {error.Message.Length} characters");
        Assert.True(allocated < MostAllocated, $"{defect}: {allocated} bytes were allocated");
    }

    [Theory]
    [InlineData("""{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}""", 16)]
    [InlineData("{}", 0)]
    [InlineData("{}      ", 0)]
    [InlineData("""{"test":{"dtype":"I32","shape":[2,0],"data_offsets":[0,0]}}""", 0)]
    [InlineData("""{"b":{"dtype":"I32","shape":[0],"data_offsets":[4,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"c":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}""", 5)]
    [InlineData("""{"x":{"dtype":"F4","shape":[2,2],"data_offsets":[0,2]},"y":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[2,5]}}""", 5)]
    public void AcceptsWhatTheFormatAllows(string header, int dataBytes)
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Put("good.safetensors", RawSafetensors.Of(header, dataBytes)));
        Assert.Equal(dataBytes, file.Tensors.Values.Sum(t => t.ByteLength));
        Assert.Empty(file.Warnings);
    }

    [Fact]
    public void AHeaderLengthThatSpellsAPageIsNoPage()
    {
        // 0x213C is "<!" in little-endian bytes.
        string header = "{}".PadRight(0x213C);
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Put("good.safetensors", RawSafetensors.Of(header, 0)));
        Assert.Empty(file.Tensors);
    }

    [Fact]
    public void UnknownMembersAreToldAndIgnored()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Put("odd.safetensors",
            RawSafetensors.Of("""{"x":{"dtype":"U8","note":{"a":[1]},"shape":[1],"data_offsets":[0,1]}}""", 1)));
        Assert.Contains("note", Assert.Single(file.Warnings), StringComparison.Ordinal);
        Assert.Equal(DType.U8, file.Tensors["x"].DType);
    }

    [Fact]
    public void EveryTruncationIsAModelFileError()
    {
        string path = _folder["whole.safetensors"];
        SafetensorsWriter.Write(path, [
            TensorToWrite.FromFloats("a", [2, 3], new float[6]),
            TensorToWrite.FromInt64s("b", [2], new long[2])]);
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 0; length < whole.Length; length++)
        {
            string cut = _folder.Put("cut.safetensors", whole[..length]);
            Assert.StartsWith("ST0", Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(cut)).Code, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void MutationsGiveAValidFileOrAModelFileError()
    {
        string path = _folder["whole.safetensors"];
        SafetensorsWriter.Write(path, [
            TensorToWrite.FromFloats("model.a", [2, 3], new float[6]),
            TensorToWrite.FromFloats("model.b", [5], new float[5], DType.BF16)], new Dictionary<string, string> { ["k"] = "é" });
        byte[] whole = File.ReadAllBytes(path);
        int header = whole.Length - 34;
        Random random = new(7);
        int refused = 0;
        for (int round = 0; round < 3000; round++)
        {
            byte[] mutant = [.. whole];
            for (int flips = random.Next(1, 4); flips > 0; flips--)
                mutant[random.Next(header)] ^= (byte)(1 << random.Next(8));
            string file = _folder.Put("mutant.safetensors", mutant);
            try
            {
                using SafetensorsFile opened = SafetensorsFile.Open(file);
                Assert.Equal(34, opened.Tensors.Values.Sum(t => t.ByteLength));
            }
            catch (ModelFileException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1000, 3000);
    }

    [Fact]
    public void AFileCutWhileOpenGivesAShortRead()
    {
        if (OperatingSystem.IsWindows())
            return; // Windows does not let an open file be cut.
        string path = _folder["whole.safetensors"];
        SafetensorsWriter.Write(path, [TensorToWrite.FromFloats("a", [1000], new float[1000])]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        byte[] whole = File.ReadAllBytes(path);
        System.Diagnostics.Process.Start("truncate", ["-s", $"{whole.Length - 100}", path]).WaitForExit();
        Assert.Equal("IO005", Assert.Throws<ModelFileException>(() => file.ReadFloats("a")).Code);
    }
}
