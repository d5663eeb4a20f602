using Marrow.Formats.Safetensors;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 21 to 23: the index of a sharded folder.</summary>
internal static class IndexCases
{
    public static IEnumerable<MalformedCase> All { get; } =
    [
        Row(21, "IX001", """{"weight_map":{"a":"../x"}}"""),
        Row(21, "IX001", """{"weight_map":{"a":"/etc/x"}}"""),
        Row(21, "IX001", """{"weight_map":{"a":"C:x"}}"""),
        Row(21, "IX001", """{"weight_map":{"a":"d\\x"}}"""),
        Row(21, "IX001", """{"weight_map":{"a":".."}}"""),
        Row(21, "IX001", """{"weight_map":{"a":""}}"""),
        Row(21, "IX001", """{"weight_map":{"a":"x\u0000"}}"""),
        Row(22, "IX002", """{"weight_map":{"a":"s1","b":"s3"}}"""),
        Row(22, "IX003", """{"weight_map":{"a":"s1","b":"s1"}}"""),
        Row(22, "IX003", """{"weight_map":{"a":"s1","b":"s2","c":"s2"}}"""),
        Row(22, "IX004", """{"weight_map":{"a":"s1","b":"twin"}}"""),
        Row(22, "IX004", """{"weight_map":{"a":"s1","a":"s2"}}"""),
        Row(23, "IX005", """{"weight_map":[]}"""),
        Row(23, "IX005", """{"weight_map":{"a":1}}"""),
        Row(23, "IX005", """{"weight_map":{}}"""),
        Row(23, "IX005", """{"metadata":{}}"""),
        Row(23, "IX005", """[]"""),
        Row(23, "IX005", """{"weight_map":{"a":"s1"}"""),
        Row(23, "IX005", """{"weight_map":{"a":"s1"}}x"""),
        Row(23, "IX005", """{"weight_map":{"\uD800":"s1"}}"""),
        Row(23, "IX005", """{"weight_map":{"a":"s1"},"weight_map":{"b":"s2"}}"""),
        Row(1, "ST001", """{"weight_map":{"a":"s1","b":"bad"}}"""),
        Row(23, null, """{"metadata":{"total_size":"x"},"weight_map":{"a":"s1","b":"s2"}}"""),
    ];

    private static MalformedCase Row(int number, string? code, string index) => new(number, index, code, SafetensorsFolder.IndexFile, folder =>
    {
        SafetensorsWriter.Write(folder["s1"], [One("a")]);
        SafetensorsWriter.Write(folder["s2"], [One("b")]);
        SafetensorsWriter.Write(folder["twin"], [One("a"), One("b")]);
        folder.Put("bad", "");
        folder.Put(SafetensorsFolder.IndexFile, index);
    }, path =>
    {
        using SafetensorsFolder opened = SafetensorsFolder.Open(Path.GetDirectoryName(path)!);
        // What is only a hint is told.
        Assert.Single(opened.Warnings);
    })
    {
        // The shard itself, or the index beside it.
        Names = code is "ST001" or "IX002" or "IX003" or "IX004" ? "" : SafetensorsFolder.IndexFile,
    };

    private static TensorToWrite One(string name) => TensorToWrite.FromFloats(name, [1], new float[] { 1 });
}
