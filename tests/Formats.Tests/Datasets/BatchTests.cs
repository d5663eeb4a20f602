using FsCheck;
using FsCheck.Fluent;
using Marrow.Formats.Datasets;

namespace Marrow.Formats.Tests.Datasets;

public class BatchTests
{
    [Fact]
    public void PackingIsFirstFitOverABoundedWindow()
    {
        var packing = new Packing(10, window: 2);
        //                   0  1  2  3  4  5
        int[] lengths = [6, 7, 3, 5, 4, 2];
        packing.Pack([0, 1, 2, 3, 4, 5], lengths);
        // 0 and 1 open rows, 2 joins 0 (room 1); 3 closes the row of 0 and opens one; 4 joins it; 5 joins row 1.
        Assert.Equal(3, packing.RowCount);
        Assert.Equal([0, 2], packing.Row(0).ToArray());
        Assert.Equal([1, 5], packing.Row(1).ToArray());
        Assert.Equal([3, 4], packing.Row(2).ToArray());
        Assert.Equal([0, 2, 1, 5, 3, 4], packing.Rows(0, 3).ToArray());
    }

    [Fact]
    public void PackingRefusesAnExampleLongerThanARow() =>
        Assert.Throws<ArgumentException>(() => new Packing(4).Pack([0], [5]));

    [Fact]
    public void PackedRowsHoldEveryExampleOnceWithinTheLimit() => Prop.ForAll(
        ArbMap.Default.ArbFor<PositiveInt[]>(), ArbMap.Default.ArbFor<PositiveInt>(),
        (PositiveInt[] sizes, PositiveInt window) =>
        {
            int[] lengths = [.. sizes.Select(s => (s.Get - 1) % 50 + 1)];
            var packing = new Packing(50, window.Get);
            packing.Pack([.. Enumerable.Range(0, lengths.Length)], lengths);
            var all = new List<int>();
            for (int row = 0; row < packing.RowCount; row++)
            {
                int[] members = packing.Row(row).ToArray();
                Assert.NotEmpty(members);
                Assert.True(members.Sum(i => lengths[i]) <= 50);
                Assert.Equal(members.Order(), members);
                all.AddRange(members);
            }
            Assert.Equal(Enumerable.Range(0, lengths.Length), all.Order());
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void ABatchIsConcatenatedWithoutPadding()
    {
        TokenDataset data = TokenDataset.From([
            new([1, 2, 3], [-100, 2, 3]), new([4], [4]), new([5, 6], [5, 6]), new([7, 8, 9, 10], [-100, -100, 9, -100])]);
        var batch = new TokenBatch();
        batch.Fill(data, [3, 0]);
        batch.Fill(data, [2, 1, 0]);
        Assert.Equal((3, 6, 3), (batch.Count, batch.TokenCount, batch.Targets));
        Assert.Equal([5, 6, 4, 1, 2, 3], batch.Tokens.AsSpan(0, 6).ToArray());
        Assert.Equal([5, 6, 4, -100, 2, 3], batch.Labels.AsSpan(0, 6).ToArray());
        Assert.Equal([0, 1, 0, 0, 1, 2], batch.Positions.AsSpan(0, 6).ToArray());
        Assert.Equal([0, 2, 3, 6], batch.Starts.AsSpan(0, 4).ToArray());
        Assert.Equal([2, 1, 0], batch.Examples.AsSpan(0, 3).ToArray());
        batch.Fill(data, []);
        Assert.Equal((0, 0, 0), (batch.Count, batch.TokenCount, batch.Starts[0]));
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 4)]
    [InlineData(false, 100)]
    [InlineData(true, 1)]
    [InlineData(true, 3)]
    public void EveryEpochHasEveryExampleOnce(bool packed, int batchSize)
    {
        TokenDataset data = Data(23);
        BatchPlan plan = Plan(data, packed, batchSize);
        long counted = plan.CountBatches(3), batches = 0;
        var batch = new TokenBatch();
        for (int epoch = 0; epoch < 3; epoch++)
        {
            var seen = new List<int>();
            for (; plan.Cursor.Epoch == epoch; batches++)
            {
                plan.Next(batch);
                if (packed)
                    Assert.True(batch.TokenCount <= batchSize * 16);
                else
                    Assert.True(batch.Count == Math.Min(batchSize, 23 - seen.Count));
                for (int i = 0; i < batch.Count; i++)
                    seen.Add(batch.Tokens[batch.Starts[i]]);
            }
            Assert.Equal(Enumerable.Range(0, 23), seen.Order());
        }
        Assert.Equal(counted, batches);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StepsEndWithTheEpoch(bool packed)
    {
        BatchPlan plan = Plan(Data(23), packed, 3);
        var batch = new TokenBatch();
        int steps = 0;
        for (; plan.Cursor.Epoch < 3; steps++)
        {
            int epoch = plan.Cursor.Epoch;
            for (int i = 0; i < 4 && plan.Cursor.Epoch == epoch; i++)
                plan.Next(batch);
        }
        Assert.Equal(steps, Plan(Data(23), packed, 3).CountSteps(3, 4));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ResumingAnywhereGoesOnWithTheSameBatches(bool packed)
    {
        TokenDataset data = Data(11);
        var batch = new TokenBatch();
        BatchPlan straight = Plan(data, packed, 2);
        var cursors = new List<DataCursor>();
        var batches = new List<string>();
        for (int i = 0; i < 20; i++)
        {
            cursors.Add(straight.Cursor);
            straight.Next(batch);
            batches.Add(Contents(batch));
        }
        Assert.True(straight.Cursor.Epoch >= 2);
        for (int from = 0; from < 20; from++)
        {
            BatchPlan resumed = Plan(data, packed, 2);
            resumed.Seek(cursors[from]);
            resumed.CountBatches(5);
            for (int i = from; i < 20; i++)
            {
                resumed.Next(batch);
                Assert.Equal(batches[i], Contents(batch));
            }
        }
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, -1)]
    [InlineData(0, 11)]
    public void APlaceOutsideTheDataIsRefused(int epoch, int position) =>
        Assert.Equal("DS060", Assert.Throws<MarrowException>(() => Plan(Data(11), false, 2).Seek(new DataCursor(epoch, position))).Code);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TheSteadyStateAllocatesNothing(bool packed)
    {
        BatchPlan plan = Plan(Data(50), packed, 4);
        var batch = new TokenBatch();
        batch.Reserve(4 * 16, 4 * 16);
        for (int i = 0; i < 100; i++)
            plan.Next(batch);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            plan.Next(batch);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>Examples of 1 to 16 tokens that all carry their own index.</summary>
    private static TokenDataset Data(int count) =>
        TokenDataset.From(Enumerable.Range(0, count).Select(i =>
        {
            int[] ids = [.. Enumerable.Repeat(i, i * 7 % 16 + 1)];
            return new TokenExample(ids, ids);
        }));

    private static BatchPlan Plan(TokenDataset data, bool packed, int batchSize) =>
        new(data, new DataOrder(data.Count, 3, shuffle: true), batchSize, packed ? new Packing(16, 4) : null);

    private static string Contents(TokenBatch batch) =>
        string.Join(',', batch.Tokens.Take(batch.TokenCount)) + "|" + string.Join(',', batch.Starts.Take(batch.Count + 1));
}
