namespace Marrow.Formats.Tests;

public class NearNamesTests
{
    [Theory]
    [InlineData("learning_rat", "learning_rate")]
    [InlineData("learnign_rate", "learning_rate")]
    [InlineData("Learning_Rate", "learning_rate")]
    [InlineData("warm", "warmup_steps")]
    [InlineData("sed", "seed")]
    [InlineData("x", null)]
    [InlineData("colour", null)]
    public void The_word_that_was_meant(string word, string? expected) =>
        Assert.Equal(expected, NearNames.Of(word, ["learning_rate", "warmup_steps", "seed", "r"], 1) is [var near] ? near : null);

    [Fact]
    public void The_nearest_comes_first() =>
        Assert.Equal(["q_proj", "k_proj", "o_proj"], NearNames.Of("q_proj", ["k_proj", "o_proj", "q_proj", "up_projection_of_all"]));
}
