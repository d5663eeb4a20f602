using Marrow.Engine.Training;

namespace Marrow.Engine.Tests.Training;

public sealed class LearningRateTests
{
    // The factors of transformers' lambdas at index 0, 1, 2 …, worked out by hand for 10 steps.
    [Theory]
    [InlineData(LearningRateSchedule.Constant, 0, 0.0, new[] { 1.0, 1, 1, 1, 1, 1, 1, 1, 1, 1 })]
    [InlineData(LearningRateSchedule.Constant, 4, 0.0, new[] { 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1 })]
    [InlineData(LearningRateSchedule.Linear, 0, 0.0, new[] { 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1 })]
    [InlineData(LearningRateSchedule.Linear, 2, 0.0, new[] { 0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125 })]
    [InlineData(LearningRateSchedule.Linear, 2, 0.2, new[] { 0, 0.5, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3 })]
    // (1 + cos(π·k/8)) / 2
    [InlineData(LearningRateSchedule.Cosine, 2, 0.0, new[] { 0, 0.5, 1, 0.9619397662556434, 0.8535533905932737, 0.6913417161825449, 0.5, 0.3086582838174551, 0.14644660940672627, 0.03806023374435663 })]
    [InlineData(LearningRateSchedule.Cosine, 2, 0.5, new[] { 0, 0.5, 1, 0.9809698831278217, 0.9267766952966369, 0.8456708580912725, 0.75, 0.6543291419087276, 0.5732233047033631, 0.5190301168721783 })]
    public void Follows_the_usual_schedules(LearningRateSchedule schedule, int warmup, double minimum, double[] factors)
    {
        var rate = new LearningRate(schedule, 2e-4, warmup, 10, minimum);
        for (int update = 1; update <= 10; update++)
            Assert.Equal(2e-4 * factors[update - 1], rate.At(update), 1e-15);
        if (schedule != LearningRateSchedule.Constant)
            Assert.Equal(2e-4 * minimum, rate.At(11), 1e-15);
        Assert.True(rate.At(500) >= 0);
    }

    [Fact]
    public void Warm_up_longer_than_the_run_only_grows() =>
        Assert.Equal([0, 0.1, 0.2], Enumerable.Range(1, 3).Select(new LearningRate(LearningRateSchedule.Linear, 1, 10, 3).At));
}
