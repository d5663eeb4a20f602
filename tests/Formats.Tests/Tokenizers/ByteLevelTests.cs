using System.Text.Json.Nodes;
using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Tests.Tokenizers;

public class ByteLevelTests
{
    private static readonly HuggingFaceTokenizer Tiny = TokenizerJson.Parse(TinyTokenizers.ByteLevel().ToJsonString());

    private static int[] Ids(string text, bool addSpecial = false, bool parseSpecial = false) => [.. Tiny.Encode(text, addSpecial, parseSpecial)];

    [Fact]
    public void Merges_by_rank_within_pieces()
    {
        Assert.Equal([257, 259], Ids("lower"));
        Assert.Equal([257, 258], Ids("low low"));
        Assert.Equal([(int)'l', ' ', 'o'], Ids("l o"));
        // GPT-2's pattern: "low", "'s", " low", two spaces of which the last belongs to "w".
        Assert.Equal([257, '\'', 's', 258, ' ', ' ', 'w'], Ids("low's low  w"));
        Assert.Empty(Ids(""));
    }

    [Fact]
    public void Bytes_of_a_character_are_tokens()
    {
        Assert.Equal([0xC3, 0xA9], Ids("é"));
        Assert.Equal([0xF0, 0x9F, 0x98, 0x80], Ids("😀"));
        Assert.Equal([0xEF, 0xBF, 0xBD], Ids("\uD83D"));
        Assert.Equal("é😀", Tiny.Decode([0xC3, 0xA9, 0xF0, 0x9F, 0x98, 0x80], false));
        Assert.Equal("\uFFFDa", Tiny.Decode([0xC3, 'a'], false));
    }

    [Fact]
    public void Template_and_special_tokens()
    {
        Assert.Equal([260, 257], Ids("low", addSpecial: true));
        Assert.Equal([257, 260, 261, 257], Ids("low<|end|><tool>low", parseSpecial: true));
        Assert.Equal([(int)'<', '|', 'e', 'n', 'd', '|', '>', 261], Ids("<|end|><tool>"));
        Assert.Equal("lowlow", Tiny.Decode([257, 260, 257], skipSpecial: true));
        Assert.Equal("low<|end|>low", Tiny.Decode([257, 260, 257], skipSpecial: false));
        Assert.Equal("<tool>", Tiny.Decode([261], skipSpecial: true));
        Assert.Equal(262, Tiny.VocabularySize);
        Assert.Equal(260, Tiny.IdOf("<|end|>"));
        Assert.Null(Tiny.IdOf("nothing"));
        Assert.Equal("\u0120low", Tiny.TokenOf(258));
        Assert.Equal("a\uFFFDa", Tiny.Decode(['a', 9999, 'a'], skipSpecial: false));
    }

    [Fact]
    public void Any_text_comes_back()
    {
        var random = new Random(7);
        for (int n = 0; n < 500; n++)
        {
            string text = RandomText.Next(random, 60);
            Assert.Equal(text, Tiny.Decode(Tiny.Encode(text, false, false), false));
        }
    }

    [Fact]
    public void Prefix_space_and_whole_pieces()
    {
        JsonObject json = TinyTokenizers.ByteLevel();
        json["pre_tokenizer"]!["add_prefix_space"] = true;
        Assert.Equal([258, 258], TokenizerJson.Parse(json.ToJsonString()).Encode("low low", false, false));

        json = TinyTokenizers.ByteLevel();
        json["model"]!["vocab"]!["slow"] = 300;
        Assert.Equal(['s', 257], TokenizerJson.Parse(json.ToJsonString()).Encode("slow", false, false));
        json["model"]!["ignore_merges"] = true;
        Assert.Equal([300], TokenizerJson.Parse(json.ToJsonString()).Encode("slow", false, false));
    }

    [Fact]
    public void A_second_use_of_a_cached_piece_gives_the_same_ids()
    {
        HuggingFaceTokenizer fresh = TokenizerJson.Parse(TinyTokenizers.ByteLevel().ToJsonString());
        Assert.Equal(fresh.Encode("slower lower lowest", false, false), fresh.Encode("slower lower lowest", false, false));
        Assert.Equal([.. Enumerable.Repeat(new[] { 258, 259 }, 3).SelectMany(x => x)], fresh.Encode(" lower lower lower", false, false));
    }
}
