using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.Tests.Fuzzing;
using Marrow.Formats.Tests.Gguf;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 47 to 52: vocabularies in GGUF files, and files in parts.</summary>
internal static class GgufVocabularyCases
{
    private const string Tokens = "tokenizer.ggml.tokens", Types = "tokenizer.ggml.token_type", Scores = "tokenizer.ggml.scores", Merges = "tokenizer.ggml.merges", Charsmap = "tokenizer.ggml.precompiled_charsmap";
    private const long Normal = 1, Unknown = 2, Control = 3, Byte = 6;

    public static IEnumerable<MalformedCase> All { get; } =
    [
        Pieces(47, "a score less than tokens", "GV001", v => v.Set(Scores, Numbers(5))),
        Pieces(47, "a score more", "GV001", v => v.Set(Scores, Numbers(7))),
        Pieces(47, "scores as strings", "GV001", v => v.Set(Scores, Strings("a", "b", "c", "d", "e", "f"))),
        Pieces(47, "types as u8", "GV001", v => v.Set(Types, new GgufValue(GgufType.U8, new long[] { 2, 3, 3, 1, 1, 1 }))),
        Pieces(47, "types missing one", "GV001", v => v.Set(Types, new GgufValue(GgufType.I32, new long[5]))),
        Pieces(47, "a type 7", "GV001", v => v.Set(Types, new GgufValue(GgufType.I32, new long[] { 2, 3, 3, 1, 1, 7 }))),
        Pieces(47, "a score that is NaN", "GV001", v => v.Set(Scores, new GgufValue(GgufType.F32, new[] { 0, 0, 0, double.NaN, 0, 0 }))),
        Pieces(47, "tokens as numbers", "GV001", v => v.Set(Tokens, Numbers(6))),
        Bytes(48, "duplicate tokens", "GV002", v => v.Set(Tokens, Strings("a", "b", "a", "<s>"))),
        Bytes(48, "merge without a space", "GV003", v => v.Set(Merges, Strings("ab"))),
        Bytes(48, "empty merge", "GV003", v => v.Set(Merges, Strings(""))),
        Bytes(48, "merge of a space", "GV003", v => v.Set(Merges, Strings(" "))),
        Bytes(48, "merge of an unknown part", "GV003", v => v.Set(Merges, Strings("a q"))),
        Bytes(48, "merge whose sum is no token", "GV003", v => v.Set(Merges, Strings("b a"))),
        Pieces(49, "byte token <0x-1>", "GV004", v => ByteToken(v, "<0x-1>")),
        Pieces(49, "byte token <0xZZ>", "GV004", v => ByteToken(v, "<0xZZ>")),
        Pieces(49, "missing byte tokens", "GV004", v => ByteToken(v, "<0x41>")),
        Pieces(50, "BOS behind the last token", "GV005", v => v.Set("tokenizer.ggml.bos_token_id", new GgufValue(GgufType.U32, 6L))),
        Pieces(50, "EOS 2^32-1", "GV005", v => v.Set("tokenizer.ggml.eos_token_id", new GgufValue(GgufType.U32, (long)uint.MaxValue))),
        Bytes(50, "padding -1 as i32", "GV005", v => v.Set("tokenizer.ggml.padding_token_id", new GgufValue(GgufType.I32, -5L))),
        Pieces(51, "charsmap of 3 bytes", "GV006", v => v.Set(Charsmap, Octets(1, 2, 3))),
        Pieces(51, "trie larger than the charsmap", "GV006", v => v.Set(Charsmap, Octets(0, 1, 0, 0, 1, 2, 3, 4))),
        Pieces(51, "trie of 5 bytes", "GV006", v => v.Set(Charsmap, Octets(5, 0, 0, 0, 1, 2, 3, 4, 5))),
        Pieces(51, "replacements that do not end", "GV006", v => v.Set(Charsmap, Octets(4, 0, 0, 0, 0, 0, 0, 0, 97))),
        Pieces(51, "trie that leads out of itself", "GV006", v => v.Set(Charsmap, Octets(4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F, 0))) with { Names = "" },
        Parts(52, "split.no of the first is 1", "GS001", 1, 2, 0),
        Parts(52, "split.no of a part is another's", "GS001", 0, 2, 0),
        Parts(52, "split.count differs", "GS002", 0, 2, 1, secondCount: 3),
        Parts(52, "split.tensors.count differs", "GS002", 0, 2, 1, tensors: 7),
        Parts(52, "one tensor in two parts", "GS003", 0, 2, 1, second: "a"),
        Parts(52, "a part is missing", "GS004", 0, 3, 1, secondCount: 3),
        Parts(52, "65,536 parts", "GS004", 0, 65_536, 1),
    ];

    private static MalformedCase Pieces(int number, string what, string code, Action<GgufMetadata> damage) => Vocabulary(number, what, code, v =>
    {
        v.Set("tokenizer.ggml.model", "llama");
        v.Set(Tokens, Strings("<unk>", "<s>", "</s>", "a", "b", "ab"));
        v.Set(Types, new GgufValue(GgufType.I32, new[] { Unknown, Control, Control, Normal, Normal, Normal }));
        v.Set(Scores, Numbers(6));
        damage(v);
    });

    private static MalformedCase Bytes(int number, string what, string code, Action<GgufMetadata> damage) => Vocabulary(number, what, code, v =>
    {
        v.Set("tokenizer.ggml.model", "gpt2");
        v.Set("tokenizer.ggml.pre", "gpt-2");
        v.Set(Tokens, Strings("a", "b", "ab", "<s>"));
        v.Set(Merges, Strings("a b"));
        damage(v);
    });

    private static MalformedCase Vocabulary(int number, string what, string code, Action<GgufMetadata> fill) => new(number, what, code, "v.gguf", folder =>
    {
        var values = new GgufMetadata("v.gguf");
        values.Set("general.architecture", "llama");
        fill(values);
        GgufWriter.Write(folder["v.gguf"], values, []);
    }, path =>
    {
        using GgufFile file = GgufFile.Open(path);
        Reading.Tokenizer(GgufTokenizer.Read(file.Values));
    });

    private static MalformedCase Parts(int number, string what, string code, int firstNumber, int firstCount, int secondNumber, int? secondCount = null, int tensors = 2, string second = "b")
    {
        string first = $"m-00001-of-{firstCount:D5}.gguf";
        return new(number, what, code, first, folder =>
        {
            folder.Put(first, Part(firstNumber, firstCount, tensors, "a"));
            folder.Put($"m-00002-of-{firstCount:D5}.gguf", Part(secondNumber, secondCount ?? firstCount, tensors, second));
        }, path =>
        {
            Assert.Contains(GgufFile.Examine(path), p => p.Code.StartsWith("GS", StringComparison.Ordinal));
            GgufFile.Open(path).Dispose();
        })
        { Names = "m-0000" };
    }

    private static byte[] Part(int number, int count, int tensors, string name) => new RawGguf { Data = 32 }.Pair("split.no", (int)GgufType.U16, (byte)number, 0)
        .Number("split.count", (uint)count).Pair("split.tensors.count", (int)GgufType.I32, RawGguf.UInt32(tensors)).Tensor(name, 0, 0, 8).Bytes();

    private static void ByteToken(GgufMetadata values, string text)
    {
        values.Set(Tokens, Strings("<unk>", "<s>", "</s>", "a", "b", text));
        values.Set(Types, new GgufValue(GgufType.I32, new[] { Unknown, Control, Control, Normal, Normal, Byte }));
    }

    private static GgufValue Strings(params string[] texts) => new(GgufType.String, texts.Select(System.Text.Encoding.UTF8.GetBytes).ToArray());

    private static GgufValue Numbers(int count) => new(GgufType.F32, Enumerable.Range(0, count).Select(i => -(double)i).ToArray());

    private static GgufValue Octets(params long[] bytes) => new(GgufType.U8, bytes);
}
