using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Marrow.Formats.Tokenizers.World;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Tokenizers;

public class WorldTokenizerTests(ITestOutputHelper output)
{
    private const string Published = "tokenizers/rwkv_vocab_v20230424.txt";

    private static int[] Ids(string text) => [.. TinyWorld.Tokenizer.Encode(text, addSpecial: true, parseSpecial: false)];

    [Fact]
    public void The_longest_token_wins_and_a_dead_end_goes_back()
    {
        Assert.Equal([258], Ids("abcd"));
        Assert.Equal([257, 'c' + 1, 'x' + 1], Ids("abcx"));
        Assert.Equal([267, 'c' + 1], Ids("a bc"));
        Assert.Equal(Enumerable.Repeat('a' + 1, 15), Ids(new string('a', 15)));
        Assert.Equal([300, 300, 'a' + 1], Ids(new string('a', 33)));
        Assert.Equal([262, 263, 264, 266, 268, 261], Ids("'séét日本\u0085\n\n"));
        Assert.Equal([265, 256], TinyWorld.Tokenizer.Encode([0xC3, 0xA9, 0xFF, 0xFF]));
        Assert.Empty(Ids(""));
    }

    [Fact]
    public void The_end_of_text_is_special_and_only_parsed_where_asked()
    {
        WorldTokenizer tokenizer = TinyWorld.Tokenizer;
        string text = "ab" + WorldTokenizer.UsualEndText + "bc";
        Assert.Equal([257, 0, 259], tokenizer.Encode(text, addSpecial: true, parseSpecial: true));
        Assert.DoesNotContain(0, tokenizer.Encode(text, addSpecial: true, parseSpecial: false));
        Assert.Equal(text, tokenizer.Decode([257, 0, 259], skipSpecial: false));
        Assert.Equal("abbc", tokenizer.Decode([257, 0, 259], skipSpecial: true));
        Assert.Equal((0, 0, 301), (tokenizer.BosId, tokenizer.EosId, tokenizer.VocabularySize));
        Assert.True(tokenizer.IsSpecial(0));
        Assert.False(tokenizer.IsSpecial(1));
        Assert.Equal((0, 258, 1, null, null), (tokenizer.IdOf(tokenizer.EndText), tokenizer.IdOf("abcd"), tokenizer.IdOf("\0"), tokenizer.IdOf("abc"), tokenizer.IdOf("")));
        Assert.Empty(tokenizer.Warnings);
    }

    [Fact]
    public void A_line_of_the_file_may_give_id_0_its_text()
    {
        var tokenizer = new WorldTokenizer(TinyWorld.Read("0 '<s>' 3\n" + TinyWorld.Lines));
        Assert.Equal([0, 257], tokenizer.Encode("<s>ab", false, parseSpecial: true));
        Assert.Equal(['<' + 1, 's' + 1, '>' + 1, 257], tokenizer.Encode("<s>ab", false, parseSpecial: false));
        Assert.Equal("<s>", tokenizer.Decode([0], skipSpecial: false));
    }

    [Fact]
    public void Streaming_holds_incomplete_characters_back()
    {
        IStreamingDecoder decoder = TinyWorld.Tokenizer.CreateStreamingDecoder(skipSpecial: true);
        Assert.Equal(["", "", "", "😀", "a"], new[] { 0xF0 + 1, 0x9F + 1, 0x98 + 1, 0x80 + 1, 'a' + 1 }.Select(decoder.Push));
        Assert.Equal("", decoder.Flush());
        Assert.Equal("", decoder.Push(0xE6 + 1));
        Assert.Equal("", decoder.Push(0));
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("\uFFFD", decoder.Push(299));
        Assert.Equal("\uFFFD", decoder.Push(65535));
        Assert.Equal("\uFFFDab", decoder.Push(0xE6 + 1) + decoder.Push(257));
        Assert.Equal("日本", TinyWorld.Tokenizer.Decode([266], false));
    }

    [Fact]
    public void Lone_surrogates_become_the_replacement_character() =>
        Assert.Equal("a\uFFFDb", TinyWorld.Tokenizer.Decode(Ids("a\uD800b"), false));

    [Fact]
    public void A_missing_byte_is_warned_of_and_named_when_it_is_needed()
    {
        var tokenizer = new WorldTokenizer(TinyWorld.Read("1 'a' 1\n2 'bc' 2\n"));
        Assert.Contains("254 single bytes (0x00", Assert.Single(new WorldTokenizer(TinyWorld.Read("1 'a' 1\n2 'b' 1\n")).Warnings), StringComparison.Ordinal);
        Assert.Equal([1, 2], tokenizer.Encode("abc", false, false));
        MarrowException error = Assert.Throws<MarrowException>(() => tokenizer.Encode("ab", false, false));
        Assert.Equal("RV011", error.Code);
        Assert.Contains("0x62", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_bytes_come_back()
    {
        foreach (WorldTokenizer tokenizer in Tokenizers())
            Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(),
                bytes => Assert.Equal(bytes, tokenizer.Encode(bytes).SelectMany(id => tokenizer.BytesOf(id).ToArray()))).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_text_comes_back_whole_and_streamed_and_is_matched_greedily(int seed)
    {
        var random = new Random(seed);
        foreach (WorldTokenizer tokenizer in Tokenizers())
        {
            Dictionary<string, int> known = Known(tokenizer);
            for (int i = 0; i < 150; i++)
            {
                string text = RandomText.Next(random, 40) + (i % 3 == 0 ? new string(' ', random.Next(200)) : "");
                IReadOnlyList<int> ids = tokenizer.Encode(text, addSpecial: true, parseSpecial: false);
                Assert.Equal(Greedy(Encoding.UTF8.GetBytes(text), known), ids);
                Assert.Equal(text, tokenizer.Decode(ids, skipSpecial: false));
                IStreamingDecoder decoder = tokenizer.CreateStreamingDecoder(skipSpecial: false);
                Assert.Equal(text, string.Concat(ids.Select(decoder.Push)) + decoder.Flush());
            }
        }
    }

    [Fact]
    public void The_published_vocabulary()
    {
        if (!Fixtures.Find(output, Published, out string path))
            return;
        var tokenizer = WorldTokenizer.Load(path);
        Assert.Empty(tokenizer.Warnings);
        Assert.Equal(65530, tokenizer.VocabularySize);
        for (int b = 0; b < 256; b++)
            Assert.Equal([(byte)b], tokenizer.BytesOf(b + 1).ToArray());
        Assert.Equal((261, 24), (tokenizer.IdOf("\n\n"), tokenizer.IdOf("\u0017")));
        Assert.Equal(128, tokenizer.BytesOf(65529).Length);
        Assert.True(tokenizer.BytesOf(65530).IsEmpty);
        // Encodings that other programs give.
        Assert.Equal([33155, 40213, 34, 3485, 52, 33, 3319, 153, 129, 37946], tokenizer.Encode("Hello world! 123 😀 café", true, false));
        Assert.Equal([24281, 59, 20996, 51128, 4706, 44312, 4600, 261, 5585, 41693, 59, 36786, 10, 10267, 14610, 355, 93, 122],
            tokenizer.Encode("User: The capital of France is\n\nAssistant: Hello\t世界 x\\y", true, false));
    }

    [Fact]
    public void A_copy_with_line_ends_of_Windows_is_the_same()
    {
        WorldVocabulary unix = TinyWorld.Read(TinyWorld.Lines), windows = TinyWorld.Read(TinyWorld.Lines.Replace("\n", "\r\n", StringComparison.Ordinal).TrimEnd());
        Assert.Equal(unix.Sorted, windows.Sorted);
        Assert.All(unix.Sorted, id => Assert.Equal(unix[id].ToArray(), windows[id].ToArray()));
    }

    private IEnumerable<WorldTokenizer> Tokenizers()
    {
        yield return TinyWorld.Tokenizer;
        if (Fixtures.Find(output, Published, out string path))
            yield return WorldTokenizer.Load(path);
    }

    private static Dictionary<string, int> Known(WorldTokenizer tokenizer) =>
        Enumerable.Range(1, tokenizer.VocabularySize - 1).Where(id => !tokenizer.BytesOf(id).IsEmpty).ToDictionary(id => Convert.ToHexString(tokenizer.BytesOf(id)));

    /// <summary>The same by looking every length up, the longest first.</summary>
    private static List<int> Greedy(byte[] bytes, Dictionary<string, int> known)
    {
        var ids = new List<int>();
        for (int at = 0; at < bytes.Length;)
        {
            int length = Math.Min(128, bytes.Length - at);
            while (!known.ContainsKey(Convert.ToHexString(bytes, at, length)))
                length--;
            ids.Add(known[Convert.ToHexString(bytes, at, length)]);
            at += length;
        }
        return ids;
    }
}
