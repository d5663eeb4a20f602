using Marrow.Formats.Tokenizers.Bpe;

namespace Marrow.Formats.Tests.Tokenizers;

public class PairMergerTests
{
    [Fact]
    public void Heap_and_scan_agree()
    {
        var random = new Random(1);
        for (int n = 0; n < 2000; n++)
        {
            var table = new MergeTable(16);
            int ranks = n % 2 == 0 ? 1000 : 4;
            for (int i = 0, merged = 4; i < 30; i++, merged++)
                table.Set(random.Next(merged), random.Next(merged), ranks == 4 ? random.Next(ranks) : i, merged);
            int[] scanned = [.. Enumerable.Range(0, random.Next(80)).Select(_ => random.Next(4))];
            int[] heaped = [.. scanned];
            int left = PairMerger.Scan(table, scanned, out _), same = PairMerger.Heap(table, heaped, out _);
            Assert.Equal(scanned[..left], heaped[..same]);
        }
    }

    [Fact]
    public void A_megabyte_of_one_letter_takes_linear_steps()
    {
        var table = new MergeTable(20);
        for (int i = 0; i < 20; i++)
            table.Set(i, i, i, i + 1);
        var symbols = new int[1 << 20];
        int left = PairMerger.Merge(table, symbols, out long steps);
        Assert.Equal([20], symbols[..left]);
        Assert.InRange(steps, 1 << 20, 4 << 20);
    }

    [Fact]
    public void A_long_piece_goes_through_the_whole_tokenizer()
    {
        var tokenizer = Marrow.Formats.Tokenizers.TokenizerJson.Parse(TinyTokenizers.ByteLevel().ToJsonString());
        IReadOnlyList<int> ids = tokenizer.Encode(string.Concat(Enumerable.Repeat("low", 100_000)), false, false);
        Assert.Equal(100_000, ids.Count);
        Assert.All(ids, id => Assert.Equal(257, id));
    }
}
