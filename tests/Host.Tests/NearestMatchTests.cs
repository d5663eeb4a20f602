namespace Marrow.Host.Tests;

public class NearestMatchTests
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
        Assert.Equal(expected, NearestMatch.Find(word, ["learning_rate", "warmup_steps", "seed", "r"]));
}
