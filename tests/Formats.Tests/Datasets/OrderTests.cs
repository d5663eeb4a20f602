using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Tests.Datasets;

public class OrderTests
{
    [Fact]
    public void TheGeneratorIsSplitMix64()
    {
        // The first outputs for seed 1234567, as published with the reference implementation.
        var random = new SplitMix64(1234567);
        Assert.Equal(6457827717110365317UL, random.Next());
        Assert.Equal(3203168211198807973UL, random.Next());
        Assert.Equal(9817491932198370423UL, random.Next());
    }

    [Fact]
    public void TheShuffleNeverChanges()
    {
        Assert.Equal([6, 4, 7, 2, 9, 1, 5, 0, 8, 3], Order(10, 1, 0));
        Assert.Equal([0, 2, 7, 3, 9, 6, 5, 8, 4, 1], Order(10, 1, 1));
        Assert.Equal([4, 7, 8, 9, 6, 2, 5, 1, 3, 0], Order(10, -7, 0));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1000)]
    public void AnEpochHasEveryIndexOnce(int count)
    {
        for (int epoch = 0; epoch < 5; epoch++)
            Assert.Equal(Enumerable.Range(0, count), Order(count, 42, epoch).Order());
    }

    [Fact]
    public void WithoutShuffleItIsTheOrderOfTheFile() => Assert.Equal([0, 1, 2, 3], Order(4, 9, 3, shuffle: false));

    [Fact]
    public void EveryPermutationIsAboutEquallyLikely()
    {
        var seen = new Dictionary<string, int>();
        for (int epoch = 0; epoch < 24_000; epoch++)
        {
            string key = string.Join(',', Order(4, 5, epoch));
            seen[key] = seen.GetValueOrDefault(key) + 1;
        }
        // 1000 expected of each of the 24, standard deviation 31.
        Assert.Equal(24, seen.Count);
        Assert.All(seen.Values, n => Assert.InRange(n, 850, 1150));
    }

    private static int[] Order(int count, long seed, int epoch, bool shuffle = true)
    {
        var order = new int[count];
        new DataOrder(count, seed, shuffle).Fill(epoch, order);
        return order;
    }
}
