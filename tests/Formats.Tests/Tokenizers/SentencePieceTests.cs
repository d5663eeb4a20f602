using System.Text.Json.Nodes;
using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Tests.Tokenizers;

public class SentencePieceTests
{
    private static readonly HuggingFaceTokenizer Tiny = TokenizerJson.Parse(TinyTokenizers.SentencePiece().ToJsonString());

    private static int[] Ids(string text, bool addSpecial = false, bool parseSpecial = false) => [.. Tiny.Encode(text, addSpecial, parseSpecial)];

    [Fact]
    public void Space_in_front_and_merges()
    {
        Assert.Equal([265], Ids("ab"));
        Assert.Equal([1, 265, 262], Ids("abc", addSpecial: true));
        Assert.Equal([263, 265], Ids("a ab"));
        Assert.Equal([259, 263], Ids(" a"));
        Assert.Equal([259, 266], Ids("bc"));
        Assert.Empty(Ids(""));
    }

    [Fact]
    public void Every_part_after_a_special_token_gets_its_space() =>
        Assert.Equal([265, 2, 263], Ids("ab</s>a", parseSpecial: true));

    [Fact]
    public void Unknown_characters_become_bytes()
    {
        Assert.Equal([259, 0xC3 + 3, 0xA9 + 3, 260], Ids("éa"));
        Assert.Equal("éa", Tiny.Decode(Ids("éa"), true));
    }

    [Fact]
    public void Decoding_drops_one_space_in_front()
    {
        Assert.Equal("ab a", Tiny.Decode([1, 265, 263, 2], skipSpecial: true));
        Assert.Equal(" a", Tiny.Decode([259, 263], skipSpecial: true));
        Assert.Equal("<s> ab", Tiny.Decode([1, 265], skipSpecial: false));
    }

    [Fact]
    public void Invalid_bytes_become_one_replacement_each()
    {
        Assert.Equal("\uFFFD\uFFFDa", Tiny.Decode([0xE4 + 3, 0xBD + 3, 260], true));
        Assert.Equal("\uFFFD\uFFFD", Tiny.Decode([0xFF + 3, 0xC0 + 3], true));
        Assert.Equal("你\uFFFD", Tiny.Decode([0xE4 + 3, 0xBD + 3, 0xA0 + 3, 0xFF + 3], true));
    }

    [Fact]
    public void Streaming_gives_what_decoding_gives()
    {
        IStreamingDecoder stream = Tiny.CreateStreamingDecoder(skipSpecial: true);
        Assert.Equal(["ab", "", "", "你", " a", ""], new[] { 265, 0xE4 + 3, 0xBD + 3, 0xA0 + 3, 263, 2 }.Select(stream.Push));
        Assert.Equal("", stream.Flush());

        var random = new Random(11);
        for (int n = 0; n < 300; n++)
        {
            int[] ids = [.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(2) == 0 ? random.Next(3, 259) : random.Next(259, 267))];
            IStreamingDecoder one = Tiny.CreateStreamingDecoder(skipSpecial: false);
            Assert.Equal(Tiny.Decode(ids, skipSpecial: false), string.Concat(ids.Select(one.Push)) + one.Flush());
        }
    }

    [Fact]
    public void Text_comes_back()
    {
        var random = new Random(3);
        for (int n = 0; n < 300; n++)
        {
            // U+2581 itself is indistinguishable from a space.
            string text = RandomText.Next(random, 30).Replace('\u2581', 'x');
            Assert.Equal(text, Tiny.Decode(Ids(text), true));
        }
    }

    [Fact]
    public void Unknown_tokens_fuse_or_not()
    {
        JsonObject json = TinyTokenizers.SentencePiece();
        json["model"]!["byte_fallback"] = false;
        Assert.Equal([259, 0, 260], TokenizerJson.Parse(json.ToJsonString()).Encode("xya", false, false));
        json["model"]!["fuse_unk"] = false;
        Assert.Equal([259, 0, 0, 260], TokenizerJson.Parse(json.ToJsonString()).Encode("xya", false, false));
        json["model"]!["unk_token"] = null;
        HuggingFaceTokenizer none = TokenizerJson.Parse(json.ToJsonString());
        var error = Assert.Throws<MarrowException>(() => none.Encode("xya", false, false));
        Assert.Equal("TK012", error.Code);
        Assert.Contains("U+0078", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("always", "a b</s>a", new[] { 263, 259, 261, 2, 263 })]
    [InlineData("first", "a b</s>a", new[] { 263, 259, 261, 2, 260 })]
    [InlineData("never", "a b</s>a", new[] { 260, 259, 261, 2, 260 })]
    public void Metaspace(string scheme, string text, int[] expected)
    {
        JsonObject json = TinyTokenizers.SentencePiece();
        json["normalizer"] = null;
        json["pre_tokenizer"] = TinyTokenizers.Parse($$"""{ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{scheme}}", "split": false }""");
        json["decoder"] = TinyTokenizers.Parse($$"""{ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{scheme}}" }""");
        HuggingFaceTokenizer tokenizer = TokenizerJson.Parse(json.ToJsonString());
        Assert.Equal(expected, tokenizer.Encode(text, false, parseSpecial: true));
        Assert.Equal("a b</s>" + (scheme == "always" ? " a" : "a"), tokenizer.Decode(expected, skipSpecial: false));
    }
}
