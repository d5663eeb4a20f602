using Marrow.Engine.Generation;

namespace Marrow.Engine.Tests.Generation;

public sealed class SamplerTests
{
    private static readonly float[] Logits = [1f, 3f, -1f, 2f, 3f, 0f];

    [Fact]
    public void Draws_follow_the_probabilities()
    {
        const int Draws = 20_000;
        double[] weights = [.. Logits.Select(x => Math.Exp(x / 2))];
        int[] counts = Count(new GenerationOptions { Temperature = 2 }, Draws);
        for (int i = 0; i < Logits.Length; i++)
        {
            double p = weights[i] / weights.Sum();
            Assert.Equal(p * Draws, counts[i], 5 * Math.Sqrt(Draws * p));
        }
    }

    [Theory]
    // exp: 2.718, 20.09, 0.368, 7.389, 20.09, 1; together 51.65
    [InlineData(1, 1.0, new[] { 1 })]
    [InlineData(3, 1.0, new[] { 1, 3, 4 })]
    [InlineData(null, 0.38, new[] { 1 })]
    [InlineData(null, 0.40, new[] { 1, 4 })]
    [InlineData(null, 0.77, new[] { 1, 4 })]
    [InlineData(null, 0.80, new[] { 1, 3, 4 })]
    [InlineData(null, 0.999, new[] { 0, 1, 2, 3, 4, 5 })]
    // Of the three best, 20.09 each of 47.57: two of them have 0.84.
    [InlineData(3, 0.84, new[] { 1, 4 })]
    [InlineData(100, 1.0, new[] { 0, 1, 2, 3, 4, 5 })]
    public void Only_the_likeliest_come(int? topK, double topP, int[] expected)
    {
        int[] counts = Count(new GenerationOptions { Temperature = 1, TopK = topK, TopP = topP }, 5000);
        Assert.Equal(expected, Enumerable.Range(0, counts.Length).Where(i => counts[i] > 0));
    }

    [Fact]
    public void Repetition_is_penalised_on_both_sides_of_zero()
    {
        var sampler = new Sampler(3, new GenerationOptions { RepetitionPenalty = 2 });
        sampler.See(0);
        sampler.See(2);
        float[] logits = [3f, 1f, -1f];
        Assert.Equal(0, sampler.Pick(logits));
        Assert.Equal([1.5f, 1f, -2f], logits);
        Assert.Equal(1, sampler.Pick([1.9f, 1f, 0f]));
    }

    [Fact]
    public void Greedy_takes_the_first_of_equals() => Assert.Equal(1, new Sampler(6, new GenerationOptions()).Pick([.. Logits]));

    [Fact]
    public void Picking_allocates_nothing()
    {
        var sampler = new Sampler(6, new GenerationOptions { Temperature = 1, TopK = 4, TopP = 0.9 });
        float[] logits = [.. Logits];
        for (int i = 0; i < 100; i++)
            Pick();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            Pick();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Pick()
        {
            Logits.CopyTo(logits, 0);
            sampler.Pick(logits);
        }
    }

    private static int[] Count(GenerationOptions options, int draws)
    {
        var sampler = new Sampler(Logits.Length, options);
        var counts = new int[Logits.Length];
        for (int i = 0; i < draws; i++)
            counts[sampler.Pick([.. Logits])]++;
        return counts;
    }
}
