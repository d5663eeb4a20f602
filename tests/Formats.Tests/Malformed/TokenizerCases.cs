using System.Text.Json.Nodes;
using Marrow.Formats.Tests.Fuzzing;
using Marrow.Formats.Tests.Tokenizers;
using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 73 to 78: tokenizers in files of their own.</summary>
internal static class TokenizerCases
{
    public static IEnumerable<MalformedCase> All { get; } =
    [
        Merge("a b c", "TK001"), Merge("ab", "TK001"), Merge(" ab", "TK001"), Merge("ab ", "TK001"), Merge("a qq", "TK002"), Merge("qq a", "TK002"), Merge("a z", "TK002"),
        .. ((string[])["-1", "1099511627776", "16777216", "1.5", "\"1\"", "5"]).Select(id => Json(73, $"id {id}", "TK003", json => json["model"]!["vocab"]!["new"] = JsonNode.Parse(id))),
        Json(73, "an added token with another's id", "TK003", json => json["added_tokens"]!.AsArray().Add(TinyTokenizers.Added(5, "<new>", true))),
        Json(74, "(a+)+$", "TK004", json => json["pre_tokenizer"] = TinyTokenizers.Parse("""{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated"}"""), path =>
            TokenizerJson.Load(path).Encode(new string('a', 50_000) + "!", addSpecial: false, parseSpecial: false)) with { Names = "(a+)+$" },
        Deep("normalizer", "normalizers", 9, "TK005"), Deep("pre_tokenizer", "pretokenizers", 9, "TK005"), Deep("post_processor", "processors", 9, "TK005"), Deep("decoder", "decoders", 9, "TK005"),
        Deep("normalizer", "normalizers", 1000, "TK008"), Deep("decoder", "decoders", 1000, "TK008"),
        Json(75, "unknown normalizer", "TK006", json => json["normalizer"] = new JsonObject { ["type"] = "Precompiled" }),
        Json(75, "unknown decoder", "TK006", json => json["decoder"] = new JsonObject { ["type"] = "CTC" }),
        Json(75, "no model", "TK007", json => json.Remove("model")),
        Json(75, "no vocabulary", "TK007", json => json["model"]!.AsObject().Remove("vocab")),
        Json(76, "1 MB of one letter", null, _ => { }, path => Assert.Equal(1 << 20, TokenizerJson.Load(path).Encode(new string('a', 1 << 20), addSpecial: false, parseSpecial: false).Count)),
        Piece(77, "number of 11 bytes", "SP001", [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        Piece(77, "length past the end", "SP002", [0x0A, 0x7F, 1, 2]),
        Piece(77, "length 2^64-1", "SP002", [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0]),
        Piece(77, "group", "SP003", [0x0B, 0x0C]),
        Piece(77, "field 0", "SP004", [0x02, 0x01, 0x00]),
        Piece(77, "no pieces", "SP005", [0x12, 0x02, 0x18, 0x02]),
        Piece(77, "score NaN", "SP005", [.. OnePiece("a", 1, float.NaN), 0x12, 0x02, 0x18, 0x02]),
        Piece(77, "empty piece", "SP005", [.. OnePiece("", 1, 0), 0x12, 0x02, 0x18, 0x02]),
        Piece(77, "two unknown pieces", "SP006", [.. OnePiece("a", 2, 0), .. OnePiece("b", 2, 0), 0x12, 0x02, 0x18, 0x02]),
        Piece(77, "a unigram model", "SP007", [.. OnePiece("a", 2, 0), 0x12, 0x02, 0x18, 0x01]),
        World("1 'ab' 3", "RV001"), World("1 '\\xe9' 1", "RV001"), World("1 'ab 2", "RV002"), World("1 'ab\\' 2", "RV002"), World("1 ' 1", "RV002"), World("1 'ab'c' 2", "RV002"), World("1 'ab' + 'c' 2", "RV002"),
        World("1 '\\x4' 1", "RV003"), World("1 '\\xg0' 1", "RV003"), World("1 '\\x+1' 1", "RV003"), World("1 '\\q' 1", "RV003"), World("1 '\\ud800' 3", "RV003"), World("1 '\\u12' 3", "RV003"),
        World("1 '\\U00110000' 4", "RV003"), World("1 b'\\u0041' 1", "RV003"), World("1 b'é' 2", "RV003"), World("1 __import__('os').system('x') 3", "RV004"), World("1 f'{1}' 3", "RV004"), World("1 r'a' 1", "RV004"),
        World("1 bb'a' 1", "RV004"), World("1  1", "RV004"), World("1 'a' 1\n1 'b' 1", "RV005"), World("x 'a' 1", "RV006"), World("-1 'a' 1", "RV006"), World("99999999999 'a' 1", "RV006"), World("1048576 'a' 1", "RV006"),
        World("1 'a'", "RV006"), World("1 '' 0", "RV007"), World("1 'a' 1\n2 '\\x61' 1", "RV009"),
    ];

    private static MalformedCase Json(int number, string what, string? code, Action<JsonObject> damage, Action<string>? open = null) => MalformedCase.Of(number, what, code, "tokenizer.json", () =>
    {
        JsonObject json = TinyTokenizers.ByteLevel();
        damage(json);
        return System.Text.Encoding.UTF8.GetBytes(json.ToJsonString());
    }, open ?? (path => TokenizerJson.Load(path)));

    private static MalformedCase Merge(string merge, string code) => Json(73, $"merge '{merge}'", code, json => json["model"]!["merges"]!.AsArray().Add(merge));

    private static MalformedCase Deep(string section, string key, int depth, string code) => MalformedCase.Of(75, $"{section} {depth} deep", code, "tokenizer.json", () =>
    {
        string nested = string.Concat(Enumerable.Repeat($$"""{"type":"Sequence","{{key}}":[""", depth)) + string.Concat(Enumerable.Repeat("]}", depth));
        string json = TinyTokenizers.ByteLevel().ToJsonString().Replace($"\"{section}\":", $"\"_{section}\":", StringComparison.Ordinal);
        return System.Text.Encoding.UTF8.GetBytes($"{{\"{section}\":{nested}," + json[1..]);
    }, path => TokenizerJson.Load(path));

    private static MalformedCase Piece(int number, string what, string code, byte[] file) =>
        MalformedCase.Of(number, what, code, "tokenizer.model", () => file, path => Reading.Tokenizer(ModelTokenizer.Load(Path.GetDirectoryName(path)!)));

    /// <summary>A piece's message: text, score, type.</summary>
    private static byte[] OnePiece(string text, byte type, float score) =>
        [0x0A, (byte)(text.Length + 9), 0x0A, (byte)text.Length, .. System.Text.Encoding.ASCII.GetBytes(text), 0x15, .. BitConverter.GetBytes(score), 0x18, type];

    private static MalformedCase World(string lines, string code) =>
        MalformedCase.Of(78, lines, code, "rwkv_vocab_v1.txt", () => System.Text.Encoding.UTF8.GetBytes(lines), path => Reading.Tokenizer(ModelTokenizer.Load(Path.GetDirectoryName(path)!)));
}
