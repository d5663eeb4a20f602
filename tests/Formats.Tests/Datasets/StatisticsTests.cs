using Marrow.Formats.Datasets;

namespace Marrow.Formats.Tests.Datasets;

public class StatisticsTests
{
    [Fact]
    public void TruncationKeepsTheBeginningAndSaysWhatItDropped()
    {
        using var file = new DataFile(
            """{"prompt": "ab", "completion": "cdef"}""", """{"prompt": "abcdef", "completion": "g"}""", """{"prompt": "a", "completion": "b"}""");
        LoadedDataset loaded = file.Load(new DatasetOptions { MaxLength = 5 });
        DatasetStatistics s = loaded.Statistics;
        Assert.Equal([TinyTokenizer.Bos, 'a', 'b', 'c', 'd'], loaded.Examples.Ids(0).ToArray());
        Assert.Equal((2, 2, 7L, 1, 0), (s.Examples, s.Truncated, s.TruncatedTokens, s.DroppedByTruncation, s.DroppedWithoutTargets));
        Assert.Equal((9L, 4L), (s.Tokens, s.Targets));
        DatasetIssue issue = Assert.Single(loaded.Report.Warnings);
        Assert.Equal(("DS053", 2), (issue.Code, issue.Line));
        Assert.Contains("dropped, no trained target left after truncation: 1 rows", s.ToString(), StringComparison.Ordinal);
        Assert.Contains("truncated to 5 tokens: 2 rows, 7 tokens cut off", s.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void RowsWithoutTargetsAreDroppedAndAFileOfThemIsRefused()
    {
        // A label at the first position is predicted from nothing and so is no target.
        using var file = new DataFile("""{"input_ids": [1, 2], "labels": [1, -100]}""", """{"input_ids": [1]}""");
        LoadedDataset loaded = file.Lint();
        Assert.Equal((2, 0, 2), (loaded.Statistics.DroppedWithoutTargets, loaded.Examples.Count, loaded.Report.WarningCount));
        Assert.Equal("DS004", Assert.Throws<MarrowException>(() => file.Load()).Code);
    }

    [Fact]
    public void LengthsAreThoseBeforeTruncationInPowersOfTwo()
    {
        // Lengths 2, 3, 4, 5, 8, 9, 40.
        using var file = new DataFile([.. new[] { 2, 3, 4, 5, 8, 9, 40 }.Select(n => $$"""{"input_ids": [{{string.Join(',', Enumerable.Repeat(7, n))}}]}""")]);
        DatasetStatistics s = file.Load(new DatasetOptions { MaxLength = 8 }).Statistics;
        Assert.Equal((5, 40, 40), (s.P50, s.P95, s.Max));
        Assert.Equal([new(2, 2, 1), new(3, 4, 2), new(5, 8, 2), new(9, 16, 1), new(17, 32, 0), new(33, 64, 1)], s.Histogram);
        Assert.Equal(2 + 3 + 4 + 5 + 8 + 8 + 8, s.Tokens);
        Assert.Contains("33–64", s.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void PercentilesAreByNearestRank()
    {
        int[] sorted = [.. Enumerable.Range(1, 20)];
        Assert.Equal((10, 19, 20), (DatasetStatistics.Percentile(sorted, 50), DatasetStatistics.Percentile(sorted, 95), DatasetStatistics.Percentile(sorted, 100)));
        Assert.Equal(3, DatasetStatistics.Percentile([3], 50));
    }
}
