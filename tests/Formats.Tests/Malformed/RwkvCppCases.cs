using Marrow.Formats.Tests.Fuzzing;
using Marrow.Formats.Tests.RwkvCpp;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Case 80: rwkv.cpp's files.</summary>
internal static class RwkvCppCases
{
    public static IEnumerable<MalformedCase> All { get; } =
    [
        Row("2^31 dimensions", "RB001", new RawRwkvCpp().Tensor("x", 0, [4], dimensions: int.MinValue)), Row("no dimension", "RB001", new RawRwkvCpp().Tensor("x", 0, [])), Row("5 dimensions", "RB001", new RawRwkvCpp().Tensor("x", 0, [1, 1, 1, 1, 1])),
        Row("name of -1 bytes", "RB002", new RawRwkvCpp().Tensor("x", 0, [4], nameLength: -1)), Row("name of 2^31-1 bytes", "RB002", new RawRwkvCpp().Tensor("x", 0, [4], nameLength: int.MaxValue)),
        Row("empty name", "RB002", new RawRwkvCpp().Tensor("", 0, [4])), Row("one name twice", "RB002", new RawRwkvCpp().Tensor("x", 0, [4]).Tensor("x", 0, [4])),
        Row("size 0", "RB003", new RawRwkvCpp().Tensor("x", 0, [4, 0])), Row("size -1", "RB003", new RawRwkvCpp().Tensor("x", 0, [-1])), Row("row of 33 in Q5_0", "RB003", new RawRwkvCpp().Tensor("x", 7, [33, 2])),
        Row("embedding of another size", "RB003", new RawRwkvCpp().Tensor("emb.weight", 0, [4, 9])), Row("x_rwkvag of five", "RB003", new RawRwkvCpp().Tensor("blocks.0.att.x_rwkvag", 0, [4, 1, 5])),
        Row("type 5", "RB004", new RawRwkvCpp().Tensor("x", 5, [32])), Row("type -1", "RB004", new RawRwkvCpp().Tensor("x", -1, [32])),
        Row("version 99", "RB005", new RawRwkvCpp { Version = 99 }.Tensor("x", 0, [4])), Row("version 102", "RB005", new RawRwkvCpp { Version = 102 }.Tensor("x", 0, [4])), Row("Q5_0 in version 100", "RB005", new RawRwkvCpp { Version = 100 }.Tensor("x", 7, [32])),
        Row("2^31-1 by itself four times", "RB006", new RawRwkvCpp().Tensor("x", 0, [int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue])),
        MalformedCase.Of(80, "cut by one byte", "RB006", "m.bin", () => new RawRwkvCpp().Tensor("x", 0, [4]).Bytes()[..^1], Reading.Model),
        MalformedCase.Of(80, "cut in its head", "RB006", "m.bin", () => new RawRwkvCpp().Bytes()[..^1], Reading.Model),
        Row("a model of version 4", "RW001", new RawRwkvCpp().Tensor("blocks.0.att.time_decay", 0, [4])),
    ];

    private static MalformedCase Row(string what, string code, RawRwkvCpp file) => MalformedCase.Of(80, what, code, "m.bin", file.Bytes, Reading.Model);
}
