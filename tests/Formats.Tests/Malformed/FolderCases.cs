using System.Buffers.Binary;
using Marrow.Formats.Datasets.BinIdx;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tests.Fuzzing;
using Marrow.Formats.Tests.Gguf;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 79, 81 and 82: binidx, and config.json of Hugging Face folders.</summary>
internal static class FolderCases
{
    public static IEnumerable<MalformedCase> All { get; } =
    [
        Index("bad magic", "BI001", 0, 0x4D), Index("version 2", "BI002", 9, 2), Index("version 0", "BI002", 9, 0), Index("dtype 9", "BI003", 17, 9, bytes: 1), Index("dtype 6, a float", "BI003", 17, 6, bytes: 1),
        Index("items times 12 beyond the file", "BI004", 18, 4), Index("-1 items", "BI004", 18, -1), Index("items times 12 wraps", "BI004", 18, 0x1555555555555558), Index("2^61 documents", "BI004", 26, 1L << 61),
        Index("item of -1 tokens", "BI005", 34, 0x2_FFFFFFFF), Index("pointer negative", "BI005", 46, -4), Index("pointer in the middle of a token", "BI005", 54, 5), Index("pointer 2^40", "BI005", 54, 1L << 40),
        Index("first document not at 0", "BI007", 70, 1), Index("documents not ending at the items", "BI007", 94, 2), Index("document of -1", "BI007", 78, -1),
        new(79, "data shorter than the pointers", "BI006", "data.idx", folder =>
        {
            WriteIndex(folder);
            folder.Put("data.bin", [1, 0, 0]);
        }, path => BinIdxFile.Open(path).Dispose()) { Names = "data." },
        new(81, "config.json missing", "HF001", ".", folder => folder.Put("generation_config.json", "{}"), Reading.Model),
        Config("not an object", "HF002", "[]"), Config("not JSON", "HF002", "{"), Config("key twice", "HF002", """{"model_type":"llama","model_type":"llama"}"""),
        Config("hidden_size 0", "HF003", "hidden_size", "0"), Config("hidden_size -32", "HF003", "hidden_size", "-32"), Config("heads 0", "HF003", "num_attention_heads", "0"),
        Config("hidden_size of 2^24 in two heads", "HF003", "hidden_size", "16777216"), Config("heads that do not divide", "HF004", "num_attention_heads", "5"), Config("key heads that do not divide", "HF004", "num_key_value_heads", "3"),
        Config("layers 10^9", "HF005", "num_hidden_layers", "1000000000"), Config("layers 0", "HF005", "num_hidden_layers", "0"), Config("string number", "HF006", "hidden_size", "\"32\""), Config("vocabulary beyond 64 bits", "HF006", "vocab_size", "99999999999999999999"),
        Config("another family", "HF008", "model_type", "\"bert\""),
        Config(82, "stored by gptq", "HF007", "quantization_config", """{"quant_method":"gptq","bits":4}"""), Config(82, "stored as int8", "HF007", "quantization_config", """{"quant_method":"bitsandbytes","load_in_8bit":true}"""),
    ];

    private static MalformedCase Index(string what, string code, int at, long value, int bytes = 8) => new(79, what, code, "data.idx", folder =>
    {
        WriteIndex(folder);
        byte[] index = File.ReadAllBytes(folder["data.idx"]), number = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, value);
        number.AsSpan(0, bytes).CopyTo(index.AsSpan(at));
        folder.Put("data.idx", index);
    }, path => BinIdxFile.Open(path).Dispose());

    private static void WriteIndex(TemporaryFolder folder) => BinIdxWriter.Write(folder["data"], ((int[][])[[1, 0], [2, 0], [3, 0]]).Select(i => (ReadOnlyMemory<int>)i));

    private static MalformedCase Config(string what, string code, string key, string value) => Config(81, what, code, key, value);

    private static MalformedCase Config(int number, string what, string code, string key, string value)
    {
        var json = System.Text.Json.Nodes.JsonNode.Parse(TinyModels.Config("llama").ToJson())!.AsObject();
        if (key == "hidden_size")
            json.Remove("head_dim");
        json[key] = System.Text.Json.Nodes.JsonNode.Parse(value);
        return Config(what, code, json.ToJsonString(), number);
    }

    private static MalformedCase Config(string what, string code, string text, int number = 81) => new(number, what, code, "config.json", folder =>
    {
        folder.Put("config.json", text);
        folder.Put("model.safetensors", "x");
    }, path => Reading.Model(Path.GetDirectoryName(path)!));
}
