using System.Text.Json.Nodes;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.Bpe;

namespace Marrow.Formats.Tests.Tokenizers;

public class BpeTrainerTests
{
    private static readonly string[] Texts = ["low low low low low lower lower newest newest newest newest newest newest widest widest widest", "<|end|><|end|><|end|>"];

    [Fact]
    public void Learns_the_most_frequent_pairs_first()
    {
        // Counts: es and st 9; then est 9; "we", "ne", "ew" 6 and more. Of equal counts the pair with the smaller ids comes first.
        JsonNode json = JsonNode.Parse(BpeTrainer.Train(Texts, 256 + 1 + 4, ["<|end|>"]))!;
        Assert.Equal(["e s", "es t", "l o", "lo w"], json["model"]!["merges"]!.AsArray().Select(m => (string)m!));
        Assert.Equal(260, (int)json["added_tokens"]![0]!["id"]!);
        Assert.Equal(259, (int)json["model"]!["vocab"]!["low"]!);
    }

    [Fact]
    public void The_result_is_read_and_encodes_any_text()
    {
        HuggingFaceTokenizer tokenizer = TokenizerJson.Parse(BpeTrainer.Train(Texts, 300, ["<|end|>", "<|begin|>"]));
        int end = tokenizer.IdOf("<|end|>")!.Value;
        IReadOnlyList<int> ids = tokenizer.Encode("low newest<|end|>", false, parseSpecial: true);
        Assert.Equal(end, ids[^1]);
        Assert.Equal(["low", "\u0120newest"], ids.SkipLast(1).Select(tokenizer.TokenOf));
        var random = new Random(2);
        for (int n = 0; n < 200; n++)
        {
            string text = RandomText.Next(random, 40);
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, false, false), false));
        }
    }

    [Fact]
    public void The_order_of_texts_does_not_matter()
    {
        string one = BpeTrainer.Train(Texts, 280, ["<|end|>"]);
        Assert.Equal(one, BpeTrainer.Train(Texts.Reverse(), 280, ["<|end|>"]));
    }

    [Fact]
    public void Stops_where_nothing_repeats()
    {
        HuggingFaceTokenizer tokenizer = TokenizerJson.Parse(BpeTrainer.Train(["abc"], 1000, []));
        Assert.Equal(256, tokenizer.VocabularySize);
    }

    [Fact]
    public void Merges_agree_with_counting_anew_each_time()
    {
        var random = new Random(4);
        string text = string.Concat(Enumerable.Range(0, 400).Select(_ => "abc "[random.Next(4)]));
        JsonNode json = JsonNode.Parse(BpeTrainer.Train([text], 256 + 25, []))!;
        string[] learnt = [.. json["model"]!["merges"]!.AsArray().Select(m => (string)m!)];
        Assert.Equal(CountAnew(text, learnt.Length), learnt);
    }

    // The textbook loop over all words, with ids only to break ties.
    private static List<string> CountAnew(string text, int merges)
    {
        var pattern = new List<(int Start, int Length)>();
        new Marrow.Formats.Tokenizers.PreTokenizers.Llama3Pattern(3).Find(text, pattern);
        var words = pattern.ConvertAll(p => text.Substring(p.Start, p.Length).Select(c => (c == ' ' ? '\u0120' : c).ToString()).ToList());
        var ids = Enumerable.Range(0, 256).Select(b => ByteAlphabet.ToCharacter((byte)b)).Order().Select((c, i) => (c.ToString(), i)).ToDictionary();
        var learnt = new List<string>();
        for (int n = 0; n < merges; n++)
        {
            (string Left, string Right) best = words.SelectMany(w => w.Zip(w.Skip(1))).GroupBy(p => p)
                .OrderByDescending(g => g.Count()).ThenBy(g => ids[g.Key.First]).ThenBy(g => ids[g.Key.Second]).First().Key;
            learnt.Add($"{best.Left} {best.Right}");
            ids.TryAdd(best.Left + best.Right, ids.Count);
            foreach (List<string> word in words)
                for (int i = 0; i + 1 < word.Count; i++)
                    if (word[i] == best.Left && word[i + 1] == best.Right)
                    {
                        word[i] += word[i + 1];
                        word.RemoveAt(i + 1);
                    }
        }
        return learnt;
    }

    [Fact]
    public void Sizes_that_do_not_hold_the_bytes_are_refused()
    {
        Assert.Throws<ArgumentException>(() => BpeTrainer.Train([], 256, ["<|end|>"]));
        Assert.Throws<ArgumentException>(() => BpeTrainer.Train([], 300, ["a", "a"]));
    }
}
