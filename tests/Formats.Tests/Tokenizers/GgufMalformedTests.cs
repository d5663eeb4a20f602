using System.Text;
using Marrow.Formats.Gguf;
using Marrow.Formats.Gguf.Tokenizers;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>Damaged vocabularies in GGUF (spec/formats.md §9, cases 47 to 51).</summary>
public class GgufMalformedTests
{
    private const string Tokens = "tokenizer.ggml.tokens", Scores = "tokenizer.ggml.scores", Types = "tokenizer.ggml.token_type", Merges = "tokenizer.ggml.merges";

    private static void Refused(string code, GgufMetadata values, string? part = null)
    {
        ModelFileException error = Assert.Throws<ModelFileException>(() => GgufTokenizer.Read(values));
        Assert.Equal(code, error.Code);
        Assert.Contains(part ?? "tiny.gguf", error.Message, StringComparison.Ordinal);
        // What cannot be read is not written as files either.
        using var folder = new TemporaryFolder();
        Assert.Equal(code, Assert.Throws<ModelFileException>(() => GgufTokenizer.WriteFiles(values, folder.Path)).Code);
    }

    private static GgufMetadata With(GgufMetadata values, string key, GgufType type, object content)
    {
        values.Set(key, new GgufValue(type, content));
        return values;
    }

    [Fact]
    public void Arrays_of_another_length_or_type()
    {
        Refused("GV001", With(GgufValues.SentencePiece(), Scores, GgufType.F32, new double[266]), "266 entries, but there are 267 tokens");
        Refused("GV001", With(GgufValues.SentencePiece(), Scores, GgufType.String, new byte[267][]));
        Refused("GV001", With(GgufValues.SentencePiece(), Scores, GgufType.F64, new double[267]));
        Refused("GV001", With(GgufValues.SentencePiece(), Scores, GgufType.F32, Enumerable.Repeat(double.NaN, 267).ToArray()));
        Refused("GV001", With(GgufValues.SentencePiece(), Scores, GgufType.F32, 1.0));
        Refused("GV001", With(GgufValues.SentencePiece(), Types, GgufType.U8, new long[267]));
        Refused("GV001", With(GgufValues.SentencePiece(), Types, GgufType.I32, new long[3]));
        Refused("GV001", With(GgufValues.SentencePiece(), Types, GgufType.I32, Enumerable.Repeat(7L, 267).ToArray()));
        Refused("GV001", With(GgufValues.SentencePiece(), Tokens, GgufType.I32, new long[267]));
        Refused("GV001", With(GgufValues.SentencePiece(), Tokens, GgufType.String, Array.Empty<byte[]>()));
        var bare = new GgufMetadata("tiny.gguf");
        bare.Set("tokenizer.ggml.model", "gpt2");
        bare.Set("tokenizer.ggml.pre", "gpt-2");
        Refused("GV001", bare);
        bare.Set("tokenizer.ggml.model", "llama");
        Refused("GV001", bare, "scores");
    }

    [Fact]
    public void Tokens_twice_and_merges()
    {
        GgufMetadata values = GgufValues.ByteLevel();
        GgufValues.Change(values, Tokens, 5, "low");
        Refused("GV002", values, "tokens 5 and 257");
        foreach (string line in (string[])["low", "", " ", "low ", " low", "a qq", "qq a", "a z"])
        {
            values = GgufValues.ByteLevel();
            GgufValues.Change(values, Merges, 2, line);
            Refused("GV003", values, "line 2");
        }
        values = new GgufMetadata("tiny.gguf");
        foreach ((string key, GgufValue value) in GgufValues.ByteLevel().Values)
            if (key != Merges)
                values.Set(key, value);
        Refused("GV003", values, "missing");
    }

    [Theory]
    [InlineData("<0x-1>")]
    [InlineData("<0xZZ>")]
    [InlineData("<0x1>")]
    [InlineData("x")]
    [InlineData("<0x0a>")]
    public void Bytes_that_are_none(string text)
    {
        GgufMetadata values = GgufValues.SentencePiece();
        GgufValues.Change(values, Tokens, 3 + 0x41, text);
        Refused("GV004", values);
    }

    [Fact]
    public void A_missing_byte()
    {
        GgufMetadata values = GgufValues.SentencePiece();
        GgufValues.Change(values, Tokens, 3 + 0x41, "zz");
        values.Integers(Types)![3 + 0x41] = 1;
        Refused("GV004", values, "<0x41>");
    }

    [Fact]
    public void Tokens_too_long()
    {
        // Every cut of a token is looked at, so that a long one would take forever.
        string most = new('a', 1024), more = new('a', 1025), huge = new('a', 1 << 20);
        foreach (string text in (string[])[more, huge])
        {
            GgufMetadata pieces = GgufValues.SentencePiece(), bytes = GgufValues.ByteLevel();
            GgufValues.Change(pieces, Tokens, 266, text);
            Refused("GV004", pieces, $"a token, 266, of {text.Length} characters");
            bytes.Strings(Tokens)![5] = Encoding.UTF8.GetBytes(text);
            Refused("GV004", bytes, $"a token, 5, of {text.Length} characters");
        }
        GgufMetadata good = GgufValues.SentencePiece();
        GgufValues.Change(good, Tokens, 266, most);
        Assert.Equal(266, GgufTokenizer.Read(good).Tokenizer.VocabularySize - 1);
        System.Text.Json.Nodes.JsonObject json = TinyTokenizers.SentencePiece();
        json["model"]!["vocab"]!.AsObject()[more] = 267;
        Assert.Equal("TK017", Assert.Throws<ModelFileException>(() => GgufValues.From(268, ("tokenizer.json", json.ToJsonString()))).Code);
        GgufMetadata world = GgufValues.World();
        GgufValues.Change(world, Tokens, 300, string.Concat(Enumerable.Repeat("\\xff", 1024)));
        Assert.Equal(new string('\uFFFD', 1024), GgufTokenizer.Read(world).Tokenizer.Decode([300], false));
    }

    [Theory]
    [InlineData("bos_token_id", 267)]
    [InlineData("eos_token_id", 4294967295)]
    [InlineData("unknown_token_id", 300)]
    [InlineData("padding_token_id", 300)]
    [InlineData("eot_token_id", 300)]
    public void Ids_that_are_none(string key, long id)
    {
        GgufMetadata values = GgufValues.SentencePiece();
        values.Set("tokenizer.ggml." + key, id);
        Refused("GV005", values, "266");
    }

    [Fact]
    public void Flags_without_their_token()
    {
        GgufMetadata values = GgufValues.ByteLevel();
        values.Set("tokenizer.ggml.add_eos_token", true);
        Refused("GV005", values, "eos_token_id");
    }

    [Fact]
    public void Broken_charsmaps()
    {
        foreach (byte[] map in (byte[][])[[1, 2, 3], [8, 0, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0, 0, 65]])
            Refused("GV006", With(GgufValues.SentencePiece(), "tokenizer.ggml.precompiled_charsmap", GgufType.U8, Array.ConvertAll(map, b => (long)b)));
        Refused("GV001", With(GgufValues.SentencePiece(), "tokenizer.ggml.precompiled_charsmap", GgufType.F32, new double[3]));
        // A trie that leads out of itself is only seen where a text goes there.
        GgufMetadata values = With(GgufValues.SentencePiece(), "tokenizer.ggml.precompiled_charsmap", GgufType.I8, new long[] { 4, 0, 0, 0, 0, -1, -1, 127, 0 });
        Assert.Equal("GV006", Assert.Throws<MarrowException>(() => GgufTokenizer.Read(values).Tokenizer.Encode("ab", false, false)).Code);
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("t5")]
    [InlineData("no_vocab")]
    public void Other_models_are_refused_by_name(string model)
    {
        GgufMetadata values = GgufValues.SentencePiece();
        values.Set("tokenizer.ggml.model", model);
        Refused("GV007", values, $"'{model}'");
    }

    [Fact]
    public void Unknown_pre_tokenizers_are_refused_by_name()
    {
        GgufMetadata values = GgufValues.ByteLevel();
        values.Set("tokenizer.ggml.pre", "newest");
        Refused("GV007", values, "'newest'");
        Refused("GV007", new GgufMetadata("tiny.gguf"));
    }

    [Fact]
    public void World_escapes()
    {
        foreach (string text in (string[])["\\x4", "\\xZZ", "\\"])
        {
            GgufMetadata values = GgufValues.World();
            GgufValues.Change(values, Tokens, 300, text);
            Refused("GV004", values);
        }
        GgufMetadata twice = GgufValues.World();
        GgufValues.Change(twice, Tokens, 300, "\\x61b");
        Refused("RV009", twice);
        GgufMetadata bos = GgufValues.World();
        bos.Set("tokenizer.ggml.bos_token_id", 5);
        Refused("GV005", bos);
    }

    [Fact]
    public void Any_changed_value_is_read_or_refused()
    {
        var random = new Random(13);
        Func<GgufMetadata>[] kinds = [GgufValues.ByteLevel, GgufValues.SentencePiece, GgufValues.World];
        int refused = 0;
        for (int n = 0; n < 300; n++)
        {
            GgufMetadata values = kinds[n % 3]();
            (string key, GgufValue value) = values.Values.ElementAt(random.Next(values.Values.Count));
            switch (value.Content)
            {
                case byte[][] texts:
                    byte[] text = new byte[random.Next(5)];
                    random.NextBytes(text);
                    texts[random.Next(texts.Length)] = text;
                    break;
                case long[] numbers:
                    numbers[random.Next(numbers.Length)] = random.Next(-1, 8);
                    break;
                case double[] scores:
                    scores[random.Next(scores.Length)] = random.Next(2) == 0 ? double.PositiveInfinity : random.Next(9);
                    break;
                default:
                    values.Set(key, new GgufValue(GgufType.U32, (long)random.Next(400)));
                    break;
            }
            try
            {
                Marrow.Formats.ITokenizer tokenizer = GgufTokenizer.Read(values).Tokenizer;
                tokenizer.Decode(tokenizer.Encode("low ab\n\nabcd é", true, true), false);
            }
            catch (MarrowException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 50, 299);
    }
}
