using System.Text;
using System.Text.Json.Nodes;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.World;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Tokenizers;

public class GgufTokenizerTests(ITestOutputHelper output)
{
    private static GgufMetadata From(JsonObject json, out IReadOnlyList<string> notes, string? pre = null, string config = "{}", int rows = 300) =>
        GgufValues.From(rows, out notes, pre, ("tokenizer.json", json.ToJsonString()), ("tokenizer_config.json", config));

    private static IReadOnlyList<string> GgufNotes(string config)
    {
        _ = From(TinyTokenizers.ByteLevel(), out IReadOnlyList<string> notes, null, config);
        return notes;
    }

    private static ModelFileException Refused(JsonObject json, string config = "{}") =>
        Assert.Throws<ModelFileException>(() => From(json, out _, null, config));

    [Fact]
    public void A_byte_level_file()
    {
        Assert.Contains("no token that ends a text; llama.cpp takes token 11", Assert.Single(GgufNotes("{}")), StringComparison.Ordinal);
        GgufMetadata values = From(TinyTokenizers.ByteLevel(), out IReadOnlyList<string> notes, config: """{ "eos_token": "<|end|>" }""");
        Assert.Empty(notes);
        Assert.Equal(("gpt2", "gpt-2"), (values.Text("tokenizer.ggml.model"), values.Text("tokenizer.ggml.pre")));
        Assert.Equal((true, false), (values.Flag("tokenizer.ggml.add_bos_token"), values.Flag("tokenizer.ggml.add_eos_token")));
        Assert.Equal([3, 4, 5], values.Integers("tokenizer.ggml.token_type")![260..263]);
        Assert.Equal("[PAD299]", Encoding.UTF8.GetString(values.Strings("tokenizer.ggml.tokens")![299]));
        ITokenizer written = TokenizerJson.Parse(TinyTokenizers.ByteLevel().ToJsonString()), read = GgufTokenizer.Read(values).Tokenizer;
        var random = new Random(41);
        for (int n = 0; n < 300; n++)
        {
            string text = RandomText.Next(random, 30) + "low lower<tool><|end|> slow";
            Assert.Equal(written.Encode(text, true, n % 2 == 0), read.Encode(text, true, n % 2 == 0));
            Assert.Equal(text, read.Decode(read.Encode(text, false, true), skipSpecial: false));
        }
    }

    [Fact]
    public void A_sentencepiece_like_file()
    {
        // "▁a" and "b" make "▁ab" by scores too, which the merge list leaves out; "a b c" and "▁ab" do not need it.
        GgufMetadata values = From(TinyTokenizers.SentencePiece(), out IReadOnlyList<string> notes, config: """{ "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>" }""");
        Assert.Contains("1 pairs", Assert.Single(notes), StringComparison.Ordinal);
        Assert.Equal(("llama", true), (values.Text("tokenizer.ggml.model"), values.Flag("tokenizer.ggml.add_space_prefix")));
        Assert.Equal([2, 3, 3, 6], values.Integers("tokenizer.ggml.token_type")![..4]);
        Assert.Equal([0, 0, 0, 0, -2, 0, -1, -3], values.Numbers("tokenizer.ggml.scores")![259..267].Select(s => s + 0.0));
        ModelTokenizer read = GgufTokenizer.Read(values);
        Assert.Equal((1, 2, null, 0), (read.BosId, read.EosId, read.PadId, read.UnkId));
        ITokenizer written = TokenizerJson.Parse(TinyTokenizers.SentencePiece().ToJsonString());
        var random = new Random(43);
        for (int n = 0; n < 300; n++)
        {
            string text = RandomText.Next(random, 20).Replace('\u2581', 'x') + " ab abc bc</s>a ab  c";
            Assert.Equal(written.Encode(text, true, true), read.Tokenizer.Encode(text, true, true));
            Assert.Equal(written.Encode(text, false, false), read.Tokenizer.Encode(text, false, false));
            Assert.Equal(text, read.Tokenizer.Decode(read.Tokenizer.Encode(text, false, false), skipSpecial: false));
        }
    }

    [Theory]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "Split", "pattern": { "Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" }, "behavior": "Isolated" }, BYTES] }""", false, "dbrx")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "Split", "pattern": { "Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" }, "behavior": "Removed", "invert": true }, BYTES] }""", true, "llama-bpe")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "Digits", "individual_digits": true }, { "type": "ByteLevel", "add_prefix_space": false }] }""", false, "smollm")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "Punctuation", "behavior": "Contiguous" }, { "type": "Split", "pattern": { "Regex": "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+" }, "behavior": "Isolated" }, { "type": "Split", "pattern": { "Regex": "[0-9][0-9][0-9]" }, "behavior": "Isolated" }, BYTES] }""", false, "falcon")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "Split", "pattern": { "Regex": "\\p{N}{1,3}" }, "behavior": "Isolated" }, { "type": "Split", "pattern": { "Regex": "[一-龥぀-ゟ゠-ヿ]+" }, "behavior": "Isolated" }, { "type": "Split", "pattern": { "Regex": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" }, "behavior": "Isolated" }, BYTES] }""", false, "deepseek-v3")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "Split", "pattern": { "Regex": "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" }, "behavior": "Isolated" }, BYTES] }""", false, "seed-coder")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "Split", "pattern": { "Regex": "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" }, "behavior": "Removed", "invert": true }, BYTES] }""", false, "gpt-4o")]
    public void The_structure_tells_the_pre_tokenizer(string section, bool ignoreMerges, string pre)
    {
        JsonObject json = TinyTokenizers.ByteLevel();
        json["pre_tokenizer"] = TinyTokenizers.Parse(section.Replace("BYTES", TokenizerDocument.ByteLevel, StringComparison.Ordinal));
        json["model"]!["ignore_merges"] = ignoreMerges;
        GgufMetadata values = From(json, out _);
        Assert.Equal(pre, values.Text("tokenizer.ggml.pre"));
        ITokenizer written = TokenizerJson.Parse(json.ToJsonString()), read = GgufTokenizer.Read(values).Tokenizer;
        var random = new Random(47);
        for (int n = 0; n < 300; n++)
        {
            string text = RandomText.Next(random, 50) + "low's LOW'S 12345 $+-=,,low\r\n\n  lower()  漢字かな12";
            Assert.Equal(written.Encode(text, true, false), read.Encode(text, true, false));
        }
    }

    [Fact]
    public void Taking_tokens_whole_is_the_same_where_merging_gives_each()
    {
        JsonObject json = TinyTokenizers.ByteLevel();
        json["pre_tokenizer"] = TinyTokenizers.Parse(TokenizerDocument.Splits(PreTokenizerTable.Find("tekken")!.Patterns));
        GgufMetadata values = From(json, out _);
        Assert.Equal("tekken", values.Text("tokenizer.ggml.pre"));
        ITokenizer written = TokenizerJson.Parse(json.ToJsonString()), read = GgufTokenizer.Read(values).Tokenizer;
        foreach (string text in (string[])["low slow er LOW lower", "HelloWorld 123", " low<|end|>er"])
            Assert.Equal(written.Encode(text, true, false), read.Encode(text, true, false));
        // No merge makes this one; the next is a word by itself.
        json["model"]!["vocab"]!["lower"] = 262;
        Assert.Equal("TK016", Refused(json).Code);
        json["model"]!["vocab"]!.AsObject().Remove("lower");
        json["added_tokens"]!.AsArray().Add(TinyTokenizers.Added(262, "slow", special: false));
        Assert.Equal("TK016", Refused(json).Code);
    }

    [Fact]
    public void Every_pre_tokenizer_written_as_files_cuts_alike()
    {
        var random = new Random(53);
        string[] texts = [.. Enumerable.Range(0, 60).Select(_ => RandomText.Next(random, 60)), "low's LOW'LL 12345 $+-=,,low\r\n\n  lower()  漢字かな한국12 IMGIMGABZ <sentinel:12>\t    x", "HelloWorld ÀÉ Ωμέγα …,。x | (y)"];
        foreach (string pre in PreTokenizerTable.Names.Split(", "))
        {
            GgufMetadata values = From(TinyTokenizers.ByteLevel(), out _, pre);
            Assert.Equal(pre, values.Text("tokenizer.ggml.pre"));
            using var folder = new TemporaryFolder();
            GgufTokenizer.WriteFiles(values, folder.Path);
            ITokenizer read = GgufTokenizer.Read(values).Tokenizer, loaded = ModelTokenizer.Load(folder.Path).Tokenizer;
            foreach (string text in texts)
                Assert.Equal(read.Encode(text, true, true), loaded.Encode(text, true, true));
            // Its structure is recognised again.
            var again = new GgufMetadata("again.gguf");
            GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), 300, again);
            Assert.Same(PreTokenizerTable.Find(pre), PreTokenizerTable.Find(again.Text("tokenizer.ggml.pre")));
        }
    }

    [Fact]
    public void What_cannot_be_carried_is_refused()
    {
        JsonObject json = TinyTokenizers.ByteLevel();
        json["normalizer"] = TinyTokenizers.Parse("""{ "type": "Lowercase" }""");
        Assert.Equal("TK016", Refused(json).Code);
        Assert.Contains("--pre", Refused(json).Message, StringComparison.Ordinal);
        Assert.Contains("Lowercase", Refused(json).Message, StringComparison.Ordinal);
        Assert.Equal("gpt-2", From(json, out _, pre: "gpt-2").Text("tokenizer.ggml.pre"));
        Assert.Equal("TK016", Assert.Throws<MarrowException>(() => From(json, out _, pre: "newest")).Code);

        json = TinyTokenizers.ByteLevel();
        json["pre_tokenizer"]!["add_prefix_space"] = true;
        Assert.Equal("TK016", Refused(json).Code);

        foreach (string flag in (string[])["single_word", "lstrip", "rstrip"])
        {
            json = TinyTokenizers.ByteLevel();
            json["added_tokens"]!.AsArray().Add(TinyTokenizers.Added(262, "<mask>", true, flag));
            Assert.Equal("TK017", Refused(json).Code);
            Assert.Contains(flag, Refused(json).Message, StringComparison.Ordinal);
        }

        json = TinyTokenizers.ByteLevel();
        json["post_processor"]!["single"]!.AsArray().Add(TinyTokenizers.Parse("""{ "SpecialToken": { "id": "<|end|>", "type_id": 0 } }"""));
        json["post_processor"]!["special_tokens"]!["<|end|>"]!["ids"] = new JsonArray(260, 261);
        Assert.Contains("260, 261", Refused(json).Message, StringComparison.Ordinal);

        json = TinyTokenizers.SentencePiece();
        json["normalizer"] = TinyTokenizers.Parse("""{ "type": "NFKC" }""");
        Assert.Equal("TK017", Refused(json).Code);
        json = TinyTokenizers.SentencePiece();
        json["model"]!["byte_fallback"] = false;
        Assert.Equal("TK017", Refused(json).Code);
        json = TinyTokenizers.SentencePiece();
        json["model"]!["ignore_merges"] = true;
        Assert.Equal("TK017", Refused(json).Code);
        json = TinyTokenizers.SentencePiece();
        json["model"]!["vocab"]!.AsObject().Remove("<0x41>");
        Assert.Contains("<0x41>", Refused(json).Message, StringComparison.Ordinal);

        Assert.Equal("TK018", Assert.Throws<ModelFileException>(() => From(TinyTokenizers.ByteLevel(), out _, rows: 261)).Code);
        Assert.Equal("TK013", Assert.Throws<MarrowException>(() => GgufValues.From(10)).Code);
    }

    [Fact]
    public void Metaspace_is_carried_with_a_word()
    {
        foreach ((string scheme, bool space, int notes) in ((string, bool, int)[])[("never", false, 0), ("always", true, 1), ("first", true, 1)])
        {
            JsonObject json = TinyTokenizers.SentencePiece();
            json["normalizer"] = null;
            json["pre_tokenizer"] = TinyTokenizers.Parse($$"""{ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{scheme}}", "split": false }""");
            GgufMetadata values = From(json, out IReadOnlyList<string> told);
            Assert.Equal((space, notes), (values.Flag("tokenizer.ggml.add_space_prefix"), told.Count(n => n.Contains("space", StringComparison.Ordinal))));
            json["pre_tokenizer"]!["split"] = true;
            Assert.Equal("TK017", Refused(json).Code);
        }
    }

    [Fact]
    public void Templates_and_ends_are_carried()
    {
        const string config = """
            { "eos_token": "<|end|>", "chat_template": [{ "name": "default", "template": "D{{ eos_token }}" }, { "name": "tools", "template": "T" }] }
            """;
        GgufMetadata values = GgufValues.From(270, ("tokenizer.json", TinyTokenizers.ByteLevel().ToJsonString()), ("tokenizer_config.json", config),
            ("generation_config.json", """{ "eos_token_id": [260, 261] }"""));
        Assert.Equal("T", values.Text("tokenizer.chat_template.tools"));
        Assert.Equal(261, values.Integer("tokenizer.ggml.eot_token_id"));
        ModelTokenizer read = GgufTokenizer.Read(values);
        Assert.Equal([260, 261], read.StopIds);
        Assert.Equal("D<|end|>", read.ChatTemplate!.Render([], false));
        using var folder = new TemporaryFolder();
        GgufTokenizer.WriteFiles(values, folder.Path);
        ModelTokenizer loaded = ModelTokenizer.Load(folder.Path);
        Assert.Equal([260, 261], loaded.StopIds);
        Assert.Equal("D<|end|>", loaded.ChatTemplate!.Render([], false));
        Assert.Contains("\"tools\"", File.ReadAllText(folder["tokenizer_config.json"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Padding_of_minus_1_is_none()
    {
        GgufMetadata values = GgufValues.SentencePiece();
        values.Set("tokenizer.ggml.padding_token_id", uint.MaxValue);
        Assert.Null(GgufTokenizer.Read(values).PadId);
        values.Set("tokenizer.ggml.padding_token_id", new GgufValue(GgufType.I32, -1L));
        Assert.Null(GgufTokenizer.Read(values).PadId);
        values.Set("tokenizer.ggml.padding_token_id", uint.MaxValue - 1);
        Assert.Equal("GV005", Assert.Throws<ModelFileException>(() => GgufTokenizer.Read(values)).Code);
    }

    [Fact]
    public void A_way_to_cut_that_no_key_names_is_told()
    {
        GgufMetadata values = GgufValues.ByteLevel(), bare = new("bare.gguf");
        Assert.Empty(GgufTokenizer.Read(values).Warnings);
        foreach ((string key, GgufValue value) in values.Values)
            if (key != "tokenizer.ggml.pre")
                bare.Set(key, value);
        Assert.Contains("bare.gguf: tokenizer.ggml.pre is missing", Assert.Single(GgufTokenizer.Read(bare).Warnings), StringComparison.Ordinal);
        Assert.Empty(GgufTokenizer.Read(GgufValues.SentencePiece()).Warnings);
    }

    [Theory]
    [InlineData("<|eot_id|>")]
    [InlineData("<|end_of_text|>")]
    [InlineData("<\uFF5Cend\u2581of\u2581sentence\uFF5C>")]
    public void Ends_that_no_key_names_are_known_by_their_texts(string end)
    {
        GgufMetadata values = GgufValues.ByteLevel();
        GgufValues.Change(values, "tokenizer.ggml.tokens", 259, end);
        GgufValues.Change(values, "tokenizer.ggml.merges", 3, "l o");
        Assert.Contains(259, GgufTokenizer.Read(values).StopIds);
    }

    [Fact]
    public void Overlapping_special_tokens_go_by_length()
    {
        GgufMetadata values = GgufValues.ByteLevel();
        GgufValues.Change(values, "tokenizer.ggml.tokens", 260, "ab");
        GgufValues.Change(values, "tokenizer.ggml.tokens", 261, "bcd");
        values.Integers("tokenizer.ggml.token_type")![260] = 4;
        ITokenizer tokenizer = GgufTokenizer.Read(values).Tokenizer;
        // The longer token is found first, although the shorter stands further left.
        Assert.Equal(['a', 261, 260, 'c'], tokenizer.Encode("abcdabc", false, false));
    }

    [Fact]
    public void World_and_back()
    {
        GgufMetadata values = GgufValues.World();
        Assert.Equal(("rwkv", "rwkv-world"), (values.Text("tokenizer.ggml.model"), values.Text("tokenizer.chat_template")));
        Assert.Equal("\\n\\n", Encoding.UTF8.GetString(values.Strings("tokenizer.ggml.tokens")![261]));
        Assert.Equal("\\xc3\\xa9\\xff", Encoding.UTF8.GetString(values.Strings("tokenizer.ggml.tokens")![265]));
        Assert.Equal("[PAD270]", Encoding.UTF8.GetString(values.Strings("tokenizer.ggml.tokens")![270]));
        ModelTokenizer model = GgufTokenizer.Read(values);
        var world = (WorldTokenizer)model.Tokenizer;
        Assert.Equal((0, 0, 0, null, "<s>"), (model.BosId, model.EosId, model.PadId, model.UnkId, world.EndText));
        Assert.Equal([0, 261], model.StopIds);
        Assert.Equal("<s>User: q\n\nAssistant:", model.ChatTemplate!.Render([new("user", "q")], true));
        var random = new Random(59);
        for (int n = 0; n < 300; n++)
        {
            byte[] bytes = new byte[random.Next(60)];
            random.NextBytes(bytes);
            Assert.Equal(TinyWorld.Tokenizer.Encode(bytes), world.Encode(bytes));
            Assert.Equal(bytes, world.Encode(bytes).SelectMany(id => world.BytesOf(id).ToArray()));
        }
        using var folder = new TemporaryFolder();
        GgufTokenizer.WriteFiles(values, folder.Path);
        var loaded = (WorldTokenizer)ModelTokenizer.Load(folder.Path).Tokenizer;
        for (int id = 0; id < 301; id++)
            Assert.Equal(TinyWorld.Tokenizer.BytesOf(id), loaded.BytesOf(id));
    }

    [Fact]
    public void The_published_world_vocabulary_comes_back_byte_for_byte()
    {
        if (!Fixtures.Find(output, "tokenizers/rwkv_vocab_v20230424.txt", out string path))
            return;
        using var folder = new TemporaryFolder();
        File.Copy(path, folder["rwkv_vocab_v20230424.txt"]);
        var values = new GgufMetadata("world.gguf");
        Assert.Empty(GgufTokenizer.Write(TokenizerFiles.Find(folder.Path), 65536, values));
        Assert.Equal(65536, values.Strings("tokenizer.ggml.tokens")!.Length);
        using var back = new TemporaryFolder();
        GgufTokenizer.WriteFiles(values, back.Path);
        string[] expected = File.ReadAllLines(path), actual = File.ReadAllLines(back["rwkv_vocab_v20230424.txt"]);
        Assert.Equal(expected.Length, actual.Length);
        string[] different = [.. expected.Zip(actual).Where(p => p.First != p.Second).Select(p => $"{p.First} | {p.Second}")];
        foreach (string line in different.Take(10))
            output.WriteLine(line);
        Assert.Empty(different);
    }
}
