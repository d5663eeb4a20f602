using System.Text;
using Marrow.Formats.Safetensors;
using Marrow.Formats.Tests.Fuzzing;
using Marrow.Formats.Tests.Safetensors;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 1 to 20: safetensors files.</summary>
internal static class SafetensorsCases
{
    private const string Good = """{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}""";

    private static readonly byte[] Small = Encoding.UTF8.GetBytes(Good);

    public static IEnumerable<MalformedCase> All { get; } =
    [
        Row(1, "0 bytes", "ST001", () => []),
        Row(1, "7 bytes", "ST001", () => new byte[7]),
        Row(2, "N = 2^63", "ST002", () => RawSafetensors.Of(1UL << 63, Small, new byte[16])),
        Row(2, "N = 2^64-1", "ST002", () => RawSafetensors.Of(ulong.MaxValue, Small, new byte[16])),
        Row(2, "N = 100,000,001", "ST002", () => RawSafetensors.Of(100_000_001, Small, new byte[16])),
        Row(3, "N = file + 1", "ST003", () => RawSafetensors.Of((ulong)Small.Length + 1, Small, [])),
        Row(3, "N = 100,000,000 in a small file", "ST003", () => RawSafetensors.Of(100_000_000, Small, [])),
        Row(3, "N without header", "ST003", () => RawSafetensors.Of(0x3C, [], [])),
        Row(4, "not UTF-8", "ST004", () => RawSafetensors.Of([(byte)'{', 0xFF], [])),
        Row(4, "cut UTF-8", "ST004", () => RawSafetensors.Of([(byte)'{', (byte)'"', 0xC3], [])),
        Row(5, "byte order mark", "ST005", () => RawSafetensors.Of("\uFEFF{}", 0)),
        Row(5, "leading space", "ST005", () => RawSafetensors.Of(" {}", 0)),
        Row(5, "array", "ST005", () => RawSafetensors.Of("[]", 0)),
        Row(5, "empty header", "ST005", () => RawSafetensors.Of("", 0)),
        Row(6, "brace only", "ST006", () => RawSafetensors.Of("{", 0)),
        Row(6, "truncated JSON", "ST006", () => RawSafetensors.Of(Good[..^1], 16)),
        Row(6, "garbage behind", "ST006", () => RawSafetensors.Of(Good + "x", 16)),
        Row(6, "second object", "ST006", () => RawSafetensors.Of("{}{}", 0)),
        Row(6, "trailing comma", "ST006", () => RawSafetensors.Of("{\"__metadata__\":{},}", 0)),
        Row(6, "comment", "ST006", () => RawSafetensors.Of("{/**/}", 0)),
        Row(7, "10,000 deep", "ST006", () => RawSafetensors.Of("{\"a\":{\"x\":" + new string('[', 10_000), 0)),
        Row(20, "lone surrogate in a name", "ST006", () => RawSafetensors.Of(Good.Replace("test", "\\uD800", StringComparison.Ordinal), 16)),
        Row(20, "lone surrogate in a dtype", "ST006", () => RawSafetensors.Of(Good.Replace("I32", "\\uDC00", StringComparison.Ordinal), 16)),
        Row(20, "lone surrogate in metadata", "ST006", () => RawSafetensors.Of("{\"__metadata__\":{\"k\":\"\\uD800\"}}", 0)),
        Row(8, "same name twice", "ST007", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[0,1]")},{RawSafetensors.Entry("x", "U8", "[1]", "[0,1]")}}}", 1)),
        Row(8, "same name, other escape", "ST007", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[0,1]")},{RawSafetensors.Entry("\\u0078", "U8", "[1]", "[1,2]")}}}", 2)),
        Row(8, "dtype twice", "ST007", () => RawSafetensors.Of("""{"x":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1)),
        Row(8, "metadata key twice", "ST007", () => RawSafetensors.Of("""{"__metadata__":{"k":"a","k":"b"}}""", 0)),
        Row(9, "metadata is a number", "ST008", () => RawSafetensors.Of("""{"__metadata__":{"k":1}}""", 0)),
        Row(9, "metadata is null", "ST008", () => RawSafetensors.Of("""{"__metadata__":null}""", 0)),
        Row(9, "metadata is nested", "ST008", () => RawSafetensors.Of("""{"__metadata__":{"k":{}}}""", 0)),
        Row(10, "dtype missing", "ST009", () => RawSafetensors.Of("""{"x":{"shape":[1],"data_offsets":[0,1]}}""", 1)),
        Row(10, "shape missing", "ST009", () => RawSafetensors.Of("""{"x":{"dtype":"U8","data_offsets":[0,1]}}""", 1)),
        Row(10, "offsets missing", "ST009", () => RawSafetensors.Of("""{"x":{"dtype":"U8","shape":[1]}}""", 1)),
        Row(10, "dtype a number", "ST009", () => RawSafetensors.Of("""{"x":{"dtype":8,"shape":[1],"data_offsets":[0,1]}}""", 1)),
        Row(10, "entry a number", "ST009", () => RawSafetensors.Of("""{"x":1}""", 1)),
        Row(10, "one offset", "ST009", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[0]")}}}", 1)),
        Row(10, "three offsets", "ST009", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[0,1,2]")}}}", 1)),
        Row(10, "negative offset", "ST009", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[-1,0]")}}}", 1)),
        Row(11, "F17", "ST010", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "F17", "[1]", "[0,1]")}}}", 1)),
        Row(11, "small f32", "ST010", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "f32", "[1]", "[0,4]")}}}", 4)),
        Row(12, "33 dimensions", "ST011", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", $"[{string.Join(',', Enumerable.Repeat(1, 33))}]", "[0,1]")}}}", 1)),
        Row(13, "2^32 x 2^32", "ST012", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[4294967296,4294967296]", "[0,0]")}}}", 0)),
        Row(13, "2 x (2^64-2)", "ST012", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("test", "I32", "[2,18446744073709551614]", "[0,16]")}}}", 16)),
        Row(13, "2^62 F32", "ST012", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "F32", "[4611686018427387904]", "[0,0]")}}}", 0)),
        Row(14, "begin after end", "ST013", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "I32", "[2,2]", "[16,0]")}}}", 16)),
        Row(15, "4 bytes for 16", "ST014", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("test", "I32", "[2,2]", "[0,4]")}}}", 4)),
        Row(15, "15 bytes for 16", "ST014", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "I32", "[2,2]", "[0,15]")}}}", 15)),
        Row(16, "offsets near 2^64", "ST015", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[18446744073709551614,18446744073709551615]")}}}", 1)),
        Row(16, "hole of 1", "ST015", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("a", "U8", "[1]", "[0,1]")},{RawSafetensors.Entry("x", "U8", "[1]", "[2,3]")}}}", 3)),
        Row(16, "hole at the start", "ST015", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", "[1]", "[1,2]")}}}", 2)),
        Row(17, "overlap of 1", "ST016", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("y", "U8", "[2]", "[0,2]")},{RawSafetensors.Entry("x", "U8", "[2]", "[1,3]")}}}", 3)),
        Row(17, "10^5 entries at [0,4]", "ST016", () => RawSafetensors.Of($"{{{string.Join(',', Enumerable.Range(0, 100_000).Select(i => RawSafetensors.Entry($"t{i}", "F32", "[1]", "[0,4]")))}}}", 4)),
        Row(18, "past the end", "ST017", () => RawSafetensors.Of(Good, 15)),
        Row(18, "extra byte", "ST017", () => RawSafetensors.Of(Good, 17)),
        Row(18, "{} and a byte", "ST017", () => RawSafetensors.Of("{}", 1)),
        Row(19, "F4 [3]", "ST018", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "F4", "[3]", "[0,2]")}}}", 2)),
        Row(19, "F6 [2]", "ST018", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "F6_E2M3", "[2]", "[0,1]")}}}", 1)),
        .. ((string[])["[-1]", "[1.5]", "[\"2\"]", "[1e3]", "[18446744073709551616]", "[[1]]", "[null]", "2", "{}", "[1.0]"])
            .Select(shape => Row(12, $"shape {shape}", "ST011", () => RawSafetensors.Of($"{{{RawSafetensors.Entry("x", "U8", shape, "[0,1]")}}}", 1))),
    ];

    private static MalformedCase Row(int number, string what, string code, Func<byte[]> file) => MalformedCase.Of(number, what, code, "bad.safetensors", file, path =>
    {
        using SafetensorsFile opened = SafetensorsFile.Open(path);
        Reading.Tensors(opened);
    });
}
