using System.Text.Json.Nodes;
using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Tests.Tokenizers;

public class AddedTokenTests
{
    private static HuggingFaceTokenizer Make(params JsonObject[] added)
    {
        JsonObject json = TinyTokenizers.Characters("abcxyz <>_A");
        json["added_tokens"] = new JsonArray([.. added]);
        return TokenizerJson.Parse(json.ToJsonString());
    }

    private static string Tokens(HuggingFaceTokenizer tokenizer, string text) =>
        string.Join('|', tokenizer.Encode(text, false, parseSpecial: true).Select(tokenizer.TokenOf));

    [Fact]
    public void The_leftmost_and_then_the_longest_wins()
    {
        HuggingFaceTokenizer tokenizer = Make(TinyTokenizers.Added(50, "<a>", true), TinyTokenizers.Added(51, "<a><b>", true), TinyTokenizers.Added(52, "b><ccccc>", true));
        Assert.Equal("x|<a>|x", Tokens(tokenizer, "x<a>x"));
        Assert.Equal("<a><b>|<|c|c|c|c|c|>", Tokens(tokenizer, "<a><b><ccccc>"));
        Assert.Equal("<|a|<a>", Tokens(tokenizer, "<a<a>"));
    }

    [Fact]
    public void Flags()
    {
        Assert.Equal("a|<x>|b", Tokens(Make(TinyTokenizers.Added(50, "<x>", true, "lstrip")), "a  <x>b"));
        Assert.Equal("a| |<x>|b", Tokens(Make(TinyTokenizers.Added(50, "<x>", true, "rstrip")), "a <x>  b"));
        HuggingFaceTokenizer word = Make(TinyTokenizers.Added(50, "ab", true, "single_word"));
        Assert.Equal("ab| |a|b|c| |x|a|b| |_|a|b| |<|ab|>", Tokens(word, "ab abc xab _ab <ab>"));
    }

    [Fact]
    public void Both_strips_between_two_tokens_take_the_space_once() =>
        Assert.Equal("<x>|<y>", Tokens(Make(TinyTokenizers.Added(50, "<x>", true, "rstrip"), TinyTokenizers.Added(51, "<y>", true, "lstrip")), "<x>  <y>"));

    [Fact]
    public void Normalized_tokens_are_found_in_the_normalised_text()
    {
        JsonObject json = TinyTokenizers.Characters("abcxyz <>_A");
        json["normalizer"] = TinyTokenizers.Parse("""{"type":"Lowercase"}""");
        json["added_tokens"] = new JsonArray(TinyTokenizers.Added(50, "<A>", false, normalized: true), TinyTokenizers.Added(51, "<X>", false));
        HuggingFaceTokenizer tokenizer = TokenizerJson.Parse(json.ToJsonString());
        Assert.Equal("<A>|<A>|<X>|<|x|>", Tokens(tokenizer, "<A><a><X><x>"));
    }

    [Fact]
    public void Tokens_without_decoder_stand_apart() =>
        Assert.Equal("a b", Make().Decode([0, 1], skipSpecial: true));
}
