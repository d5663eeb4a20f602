using System.Text.Json.Nodes;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>Small tokenizer.json files written for these tests.</summary>
internal static class TinyTokenizers
{
    /// <summary>GPT-2 style: the 256 bytes in byte order (a = 97, space = 32), four merges (256 to 259), two added tokens.</summary>
    public static JsonObject ByteLevel()
    {
        var vocabulary = new JsonObject();
        int next = 0x100;
        for (int b = 0; b < 256; b++)
            vocabulary[((char)(b is >= 33 and <= 126 or >= 161 and <= 172 or >= 174 ? b : next++)).ToString()] = b;
        string[][] merges = [["l", "o"], ["lo", "w"], ["\u0120", "low"], ["e", "r"]];
        foreach (string[] merge in merges)
            vocabulary[merge[0] + merge[1]] = vocabulary.Count;
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["added_tokens"] = new JsonArray(Added(260, "<|end|>", special: true), Added(261, "<tool>", special: false)),
            ["normalizer"] = null,
            ["pre_tokenizer"] = Parse("""{ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true }"""),
            ["post_processor"] = Parse("""
                { "type": "TemplateProcessing",
                  "single": [{ "SpecialToken": { "id": "<|end|>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
                  "pair": [], "special_tokens": { "<|end|>": { "id": "<|end|>", "ids": [260], "tokens": ["<|end|>"] } } }
                """),
            ["decoder"] = Parse("""{ "type": "ByteLevel" }"""),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray([.. merges.Select(m => (JsonNode)string.Join(' ', m))]),
            },
        };
    }

    /// <summary>Llama-2 style: 0 to 2 special, 3 to 258 bytes, then ▁ a b c ▁a ab ▁ab bc (259 to 266).</summary>
    public static JsonObject SentencePiece()
    {
        var vocabulary = new JsonObject { ["<unk>"] = 0, ["<s>"] = 1, ["</s>"] = 2 };
        for (int b = 0; b < 256; b++)
            vocabulary[$"<0x{b:X2}>"] = b + 3;
        foreach (string token in (string[])["\u2581", "a", "b", "c", "\u2581a", "ab", "\u2581ab", "bc"])
            vocabulary[token] = vocabulary.Count;
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(Added(0, "<unk>", special: true), Added(1, "<s>", special: true), Added(2, "</s>", special: true)),
            ["normalizer"] = Parse("""{ "type": "Sequence", "normalizers": [{ "type": "Prepend", "prepend": "▁" }, { "type": "Replace", "pattern": { "String": " " }, "content": "▁" }] }"""),
            ["pre_tokenizer"] = null,
            ["post_processor"] = Parse("""
                { "type": "TemplateProcessing",
                  "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
                  "special_tokens": { "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } } }
                """),
            ["decoder"] = Parse("""
                { "type": "Sequence", "decoders": [{ "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
                  { "type": "ByteFallback" }, { "type": "Fuse" }, { "type": "Strip", "content": " ", "start": 1, "stop": 0 }] }
                """),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["unk_token"] = "<unk>",
                ["fuse_unk"] = true,
                ["byte_fallback"] = true,
                ["vocab"] = vocabulary,
                ["merges"] = Parse("""[["a", "b"], ["▁", "ab"], ["▁", "a"], ["b", "c"]]"""),
            },
        };
    }

    public static JsonObject Added(int id, string content, bool special, string? flag = null, bool normalized = false)
    {
        var token = new JsonObject { ["id"] = id, ["content"] = content, ["special"] = special, ["normalized"] = normalized };
        if (flag is not null)
            token[flag] = true;
        return token;
    }

    public static JsonNode Parse(string json) => JsonNode.Parse(json)!;

    /// <summary>A tokenizer whose tokens are single characters, with ids in the order given.</summary>
    public static JsonObject Characters(string characters)
    {
        var vocabulary = new JsonObject();
        foreach (char c in characters)
            vocabulary[c.ToString()] = vocabulary.Count;
        return new JsonObject { ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray() } };
    }
}
