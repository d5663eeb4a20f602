using System.Text.Json.Nodes;
using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Tests.Tokenizers;

public class MalformedTests
{
    private static MarrowException Refused(string json) => Assert.Throws<ModelFileException>(() => TokenizerJson.Parse(json));

    private static MarrowException Refused(Action<JsonObject> damage)
    {
        JsonObject json = TinyTokenizers.ByteLevel();
        damage(json);
        return Refused(json.ToJsonString());
    }

    [Theory]
    [InlineData("", "TK008")]
    [InlineData("{", "TK008")]
    [InlineData("[]", "TK009")]
    [InlineData("{}", "TK007")]
    [InlineData("""{"model":null}""", "TK007")]
    [InlineData("""{"model":3}""", "TK009")]
    [InlineData("""{"model":{"type":"BPE"}}""", "TK007")]
    [InlineData("""{"model":{"type":"BPE","vocab":[],"merges":[]}}""", "TK009")]
    [InlineData("""{"model":{"type":"BPE","vocab":{},"merges":{}}}""", "TK009")]
    [InlineData("""{"model":{"type":"Unigram","vocab":[]}}""", "TK006")]
    [InlineData("""{"model":{"type":"WordPiece","vocab":{}}}""", "TK006")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"\ud800":0},"merges":[]}}""", "TK008")]
    public void Damaged_files(string json, string code) => Assert.Equal(code, Refused(json).Code);

    [Theory]
    [InlineData("a b c", "TK001")]
    [InlineData("ab", "TK001")]
    [InlineData(" ab", "TK001")]
    [InlineData("ab ", "TK001")]
    [InlineData("a qq", "TK002")]
    [InlineData("qq a", "TK002")]
    [InlineData("a z", "TK002")]
    public void Merges(string merge, string code) =>
        Assert.Equal(code, Refused(json => json["model"]!["merges"]!.AsArray().Add(merge)).Code);

    [Fact]
    public void Merges_of_the_wrong_kind()
    {
        Assert.Equal("TK001", Refused(json => json["model"]!["merges"]!.AsArray().Add(5)).Code);
        Assert.Equal("TK001", Refused(json => json["model"]!["merges"]!.AsArray().Add(new JsonArray("a"))).Code);
        Assert.Equal("TK001", Refused(json => json["model"]!["merges"]!.AsArray().Add(new JsonArray("a", 1))).Code);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("1099511627776")]
    [InlineData("16777216")]
    [InlineData("1.5")]
    [InlineData("\"1\"")]
    [InlineData("5")]
    public void Ids(string id) => Assert.Equal("TK003", Refused(json => json["model"]!["vocab"]!["new"] = JsonNode.Parse(id)).Code);

    [Fact]
    public void Added_tokens_must_agree_with_the_vocabulary()
    {
        Assert.Equal("TK003", Refused(json => json["added_tokens"]!.AsArray().Add(TinyTokenizers.Added(5, "<new>", true))).Code);
        Assert.Equal("TK003", Refused(json => json["added_tokens"]!.AsArray().Add(TinyTokenizers.Added(300, "low", true))).Code);
        Assert.Equal("TK003", Refused(json => json["added_tokens"]!.AsArray().Add(TinyTokenizers.Added(-2, "<new>", true))).Code);
        Assert.Equal("TK009", Refused(json => json["added_tokens"]!.AsArray().Add(TinyTokenizers.Added(300, "", true))).Code);
        Assert.Equal("TK009", Refused(json => json["added_tokens"]!.AsArray().Add(TinyTokenizers.Added(300, new string('x', 2000), true))).Code);
    }

    [Theory]
    [InlineData("normalizer", "Precompiled")]
    [InlineData("normalizer", "BertNormalizer")]
    [InlineData("pre_tokenizer", "UnicodeScripts")]
    [InlineData("post_processor", "Nothing")]
    [InlineData("decoder", "CTC")]
    [InlineData("decoder", "WordPiece")]
    public void Unknown_types_are_named(string section, string type)
    {
        MarrowException error = Refused(json => json[section] = new JsonObject { ["type"] = type });
        Assert.Equal("TK006", error.Code);
        Assert.Contains($"'{type}'", error.Message, StringComparison.Ordinal);
        Assert.Contains("$." + section, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("normalizer", "normalizers", 9, "TK005")]
    [InlineData("pre_tokenizer", "pretokenizers", 9, "TK005")]
    [InlineData("post_processor", "processors", 9, "TK005")]
    [InlineData("decoder", "decoders", 9, "TK005")]
    [InlineData("decoder", "decoders", 1000, "TK008")]
    public void Deep_sequences(string section, string key, int depth, string code)
    {
        string nested = string.Concat(Enumerable.Repeat($$"""{"type":"Sequence","{{key}}":[""", depth)) + string.Concat(Enumerable.Repeat("]}", depth));
        string json = TinyTokenizers.ByteLevel().ToJsonString();
        Assert.Equal(code, Refused("{" + $"\"{section}\":{nested}," + json[(json.IndexOf('{', StringComparison.Ordinal) + 1)..].Replace($"\"{section}\":", $"\"_{section}\":", StringComparison.Ordinal)).Code);
    }

    [Fact]
    public void Dropout_and_templates()
    {
        Assert.Equal("TK006", Refused(json => json["model"]!["dropout"] = 0.1).Code);
        Assert.Equal("TK009", Refused(json => json["post_processor"]!["single"] = new JsonArray()).Code);
        Assert.Equal("TK007", Refused(json => json["post_processor"]!["special_tokens"] = new JsonObject()).Code);
        Assert.Equal("TK006", Refused(json => json["decoder"] = TinyTokenizers.Parse("""{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteFallback"}]}""")).Code);
    }

    [Fact]
    public void Names_are_escaped_and_capped()
    {
        MarrowException error = Refused(json => json["decoder"] = new JsonObject { ["type"] = "\n\u001b" + new string('x', 5000) });
        Assert.DoesNotContain('\n', error.Message);
        Assert.DoesNotContain('\u001b', error.Message);
        Assert.InRange(error.Message.Length, 100, 400);
    }

    [Fact]
    public void Keys_are_escaped_too()
    {
        Assert.Contains("has no '\\u0018'", Refused(json => json["post_processor"]!["single"]![0]!["SpecialToken"]!["id"] = "\u0018").Message, StringComparison.Ordinal);
        Assert.Contains(".special_tokens.\\u0018:", Refused(json =>
        {
            json["post_processor"]!["single"]![0]!["SpecialToken"]!["id"] = "\u0018";
            json["post_processor"]!["special_tokens"]!["\u0018"] = new JsonObject();
        }).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_cut_or_changed_byte_is_read_or_refused()
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(TinyTokenizers.SentencePiece().ToJsonString());
        var random = new Random(9);
        int refused = 0;
        for (int n = 0; n < 1500; n++)
        {
            byte[] damaged = n % 3 == 0 ? bytes[..random.Next(bytes.Length)] : [.. bytes];
            for (int i = 0; i < 2 && damaged.Length > 0; i++)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                JsonAt.ReadBytes("tokenizer.json", damaged, TokenizerJson.Read);
            }
            catch (MarrowException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 700, 1500);
    }

    [Fact]
    public void A_file_that_is_not_there() =>
        Assert.Equal("IO003", Assert.Throws<ModelFileException>(() => TokenizerJson.Load(Path.Combine(Path.GetTempPath(), "no", "tokenizer.json"))).Code);
}
