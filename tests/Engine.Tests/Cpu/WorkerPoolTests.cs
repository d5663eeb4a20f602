using Marrow.Engine.Cpu;

namespace Marrow.Engine.Tests.Cpu;

public sealed class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Runs_every_index_once_again_and_again(int threads)
    {
        using var pool = new WorkerPool(threads);
        Assert.Equal(threads, pool.Threads);
        var hits = new Counting { Hits = new int[1000] };
        for (int round = 1; round <= 3000; round++)
        {
            int count = round % 100;
            pool.For(count, ref hits);
            for (int i = 0; i < 100; i++)
            {
                Assert.Equal(i < count ? 1 : 0, hits.Hits[i]);
                hits.Hits[i] = 0;
            }
        }
    }

    [Fact]
    public void Wakes_parked_threads()
    {
        using var pool = new WorkerPool(3);
        for (int round = 0; round < 20; round++)
        {
            Thread.Sleep(2);
            // Every index waits for the others: only three different threads can finish this.
            var body = new Together { Barrier = new Barrier(3) };
            pool.For(3, ref body);
        }
    }

    [Fact]
    public void Cuts_ranges_without_gap_or_overlap()
    {
        using var pool = new WorkerPool(2);
        foreach (int count in new[] { 0, 1, 7, 8, 9, 1000 })
        {
            var hits = new Counting { Hits = new int[1000] };
            pool.ForRange(count, 8, ref hits);
            for (int i = 0; i < 1000; i++)
                Assert.Equal(i < count ? 1 : 0, hits.Hits[i]);
        }
        Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            var body = new Counting { Hits = [] };
            pool.ForRange(5, 0, ref body);
        });
    }

    [Fact]
    public void Exceptions_reach_the_caller_and_the_pool_lives_on()
    {
        using var pool = new WorkerPool(3);
        for (int round = 0; round < 100; round++)
        {
            var failing = new Failing { At = round };
            var error = Assert.Throws<InvalidOperationException>(() => pool.For(100, ref failing));
            Assert.Equal($"index {round}", error.Message);
            var hits = new Counting { Hits = new int[50] };
            pool.For(50, ref hits);
            Assert.All(hits.Hits, hit => Assert.Equal(1, hit));
        }
    }

    [Fact]
    public void Nested_and_foreign_loops_run_inline()
    {
        using var pool = new WorkerPool(2);
        var outer = new Outer { Pool = pool, Hits = new int[64] };
        pool.For(8, ref outer);
        Assert.All(outer.Hits, hit => Assert.Equal(1, hit));

        var threads = new Thread[4];
        var hits = new Counting { Hits = new int[100] };
        for (int t = 0; t < threads.Length; t++)
        {
            threads[t] = new Thread(() =>
            {
                var mine = hits;
                for (int round = 0; round < 200; round++)
                    pool.For(100, ref mine);
            });
            threads[t].Start();
        }
        foreach (Thread thread in threads)
            thread.Join();
        Assert.All(hits.Hits, hit => Assert.Equal(800, hit));
    }

    [Fact]
    public void Starting_a_loop_allocates_nothing()
    {
        using var pool = new WorkerPool(2);
        var hits = new Counting { Hits = new int[100] };
        for (int i = 0; i < 100; i++)
            pool.For(100, ref hits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            pool.For(100, ref hits);
            pool.ForRange(100, 7, ref hits);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void The_body_comes_back_and_survives_collections()
    {
        using var pool = new WorkerPool(2);
        var collecting = new Collecting { Text = new string('x', 3), Sum = new int[1] };
        var box = new[] { collecting };
        pool.For(40, ref box[0]);
        Assert.True(box[0].Ran);
        Assert.Equal(120, box[0].Sum[0]);
    }

    [Fact]
    public void Scratch_is_lent_to_one_at_a_time()
    {
        using var pool = new WorkerPool(2);
        unsafe
        {
            using ScratchSet.Lease first = pool.Scratch.Rent(100), second = pool.Scratch.Rent(10_000);
            Assert.True(first.Data != second.Data);
            Assert.True((nuint)first.Data % 4096 == 0);
            new Span<byte>(second.Data, 10_000).Fill(7);
            new Span<byte>(first.Data, 100).Fill(8);
            Assert.Equal(-1, new Span<byte>(second.Data, 10_000).IndexOfAnyExcept((byte)7));
        }
    }

    [Fact]
    public void Probes_give_figures()
    {
        using var pool = new WorkerPool(2);
        Assert.True(FmaPeak.OneCore(2) > 0);
        Assert.True(FmaPeak.AllCores(pool, 2) > 0);
        (double copy, double triad) = MemoryBandwidth.Measure(pool, 4);
        Assert.True(copy > 0 && triad > 0);
    }

    private struct Counting : IParallelBody, IParallelRange
    {
        public int[] Hits;

        public readonly void Run(int index) => Interlocked.Increment(ref Hits[index]);

        public readonly void Run(int start, int end)
        {
            for (int i = start; i < end; i++)
                Run(i);
        }
    }

    private struct Together : IParallelBody
    {
        public Barrier Barrier;

        public readonly void Run(int index) => Assert.True(Barrier.SignalAndWait(TimeSpan.FromSeconds(60)));
    }

    private struct Failing : IParallelBody
    {
        public int At;

        public readonly void Run(int index)
        {
            if (index == At)
                throw new InvalidOperationException($"index {index}");
        }
    }

    private struct Outer : IParallelBody
    {
        public WorkerPool Pool;
        public int[] Hits;

        public readonly void Run(int index)
        {
            var inner = new Inner { Hits = Hits, Base = index * 8 };
            Pool.For(8, ref inner);
        }
    }

    private struct Inner : IParallelBody
    {
        public int[] Hits;
        public int Base;

        public readonly void Run(int index) => Interlocked.Increment(ref Hits[Base + index]);
    }

    private struct Collecting : IParallelBody
    {
        public string Text;
        public int[] Sum;
        public bool Ran;

        public void Run(int index)
        {
            if (index % 10 == 0)
                GC.Collect();
            Interlocked.Add(ref Sum[0], Text.Length);
            Ran = true;
        }
    }
}
