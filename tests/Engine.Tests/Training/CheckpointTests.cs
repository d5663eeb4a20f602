using System.Diagnostics;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;

namespace Marrow.Engine.Tests.Training;

public sealed class CheckpointTests
{
    private static readonly TrainingOptions Options = new() { MaxSteps = 10, BatchSize = 3, GradientAccumulationSteps = 2, LrSchedule = LearningRateSchedule.Cosine, WarmupSteps = 3 };

    [Theory]
    [InlineData(false, 5)]
    [InlineData(true, 5)]
    [InlineData(false, 4)]
    [InlineData(true, 1)]
    public void Resuming_changes_no_bit(bool packed, int at)
    {
        // Nine examples: the ten steps go through several epochs, each in its own order.
        TokenDataset data = Tiny.Data(9);
        TrainingOptions options = Options with { PackedLength = packed ? 24 : null };
        using var folder = new TemporaryFolder();
        using var straight = new TinyRun(options, data);
        var expected = straight.Steps(10);
        Assert.True(straight.Trainer.Cursor.Epoch >= 3);
        using (var first = new TinyRun(options, data))
        {
            Assert.Equal(expected[..at], first.Steps(at));
            TrainingCheckpoint.Write(folder["c"], first.Trainer, "job");
        }
        using var second = new TinyRun(options, data);
        second.Parameters.Values.Clear();
        second.Trainer.Restore(TrainingCheckpoint.Open(folder["c"]), "job");
        Assert.Equal(at, second.Trainer.Step);
        Assert.Equal(expected[at..], second.Steps(10 - at));
        Assert.Equal(straight.State(), second.State());
        Assert.Equal(straight.Trainer.Cursor, second.Trainer.Cursor);
    }

    [Fact]
    public void Another_run_is_refused_and_says_what_differs()
    {
        TokenDataset data = Tiny.Data(9);
        using var folder = new TemporaryFolder();
        using (var run = new TinyRun(Options, data))
        {
            run.Steps(2);
            TrainingCheckpoint.Write(folder["c"], run.Trainer, "job");
        }
        TrainingCheckpoint checkpoint = TrainingCheckpoint.Open(folder["c"]);
        void Refused(TrainingOptions options, TokenDataset with, string job, string what)
        {
            using var run = new TinyRun(options, with);
            float[] before = run.State();
            var error = Assert.Throws<MarrowException>(() => run.Trainer.Restore(checkpoint, job));
            Assert.Equal("TR024", error.Code);
            Assert.Contains(what, error.Message, StringComparison.Ordinal);
            Assert.Equal(before, run.State());
        }
        Refused(Options with { BatchSize = 2 }, data, "job", "training.batch_size was 3 and is now 2");
        Refused(Options with { LearningRate = 0.1 }, data, "job", "training.learning_rate was 0.001 and is now 0.1");
        Refused(Options with { MaxSteps = 11 }, data, "job", "training.total_steps was 10 and is now 11");
        Refused(Options, data, "other", "job_hash was job and is now other");
        Refused(Options, Tiny.Data(10), "job", "data.train was 9 examples");
        using var larger = new TinyRun(Options, data, config: Tiny.Config with { IntermediateSize = 64 });
        Assert.Equal("TS002", Assert.Throws<ModelFileException>(() => larger.Trainer.Restore(checkpoint, "job")).Code);
        using var deeper = new TinyRun(Options, data, config: Tiny.Config with { LayerCount = 1 });
        Assert.Equal("TR023", Assert.Throws<ModelFileException>(() => deeper.Trainer.Restore(checkpoint, "job")).Code);
    }

    [Fact]
    public void A_constant_rate_may_go_on_longer()
    {
        TokenDataset data = Tiny.Data(9);
        TrainingOptions constant = Options with { LrSchedule = LearningRateSchedule.Constant, MaxSteps = 2 };
        using var folder = new TemporaryFolder();
        using var run = new TinyRun(constant, data);
        run.Trainer.Run();
        TrainingCheckpoint.Write(folder["c"], run.Trainer, "");
        using var longer = new TinyRun(constant with { MaxSteps = 4 }, data);
        longer.Trainer.Restore(TrainingCheckpoint.Open(folder["c"]), "");
        longer.Trainer.Run();
        Assert.Equal(4, longer.Trainer.Step);
        using var shorter = new TinyRun(constant with { MaxSteps = 1 }, data);
        Assert.Equal("TR024", Assert.Throws<MarrowException>(() => shorter.Trainer.Restore(TrainingCheckpoint.Open(folder["c"]), "")).Code);
    }

    [Fact]
    public void The_store_keeps_the_newest_and_the_best()
    {
        TokenDataset data = Tiny.Data(9);
        using var folder = new TemporaryFolder();
        var store = new CheckpointStore(folder["checkpoints"], 2);
        Assert.Empty(store.List());
        Assert.Null(store.Latest(out _));
        using var run = new TinyRun(Options with { EvalSteps = 1, SaveSteps = 1, LearningRate = 0.02 }, data, evaluation: data);
        var saver = new Saver(store);
        run.Trainer.Run(saver);
        int best = saver.Losses.MinBy(l => l.Value).Key;
        Assert.Equal(new[] { best, 9, 10 }.Distinct().Order(), store.List());
        TrainingCheckpoint latest = store.Latest(out IReadOnlyList<string> skipped)!;
        Assert.Empty(skipped);
        Assert.Equal((10, run.Trainer.Cursor, saver.Losses[10], saver.Losses[best]), (latest.Step, latest.Cursor, latest.EvaluationLoss, latest.BestEvaluationLoss));
    }

    [Fact]
    public void Going_back_removes_the_later_ones()
    {
        using var folder = new TemporaryFolder();
        var store = new CheckpointStore(folder["checkpoints"], 1);
        using (var run = new TinyRun(Options, Tiny.Data(9)))
        {
            run.Steps(4);
            store.Save(run.Trainer, "");
        }
        // The newest is torn: the run starts again, and its own checkpoints must not lose against the torn one.
        File.WriteAllBytes(folder["checkpoints", "step-4", "trainer.safetensors"], [1]);
        using var again = new TinyRun(Options, Tiny.Data(9));
        again.Steps(2);
        store.Save(again.Trainer, "");
        Assert.Equal([2], store.List());
        Assert.Equal(2, store.Latest(out _)!.Step);
    }

    [Theory]
    [InlineData("state.json", "TR020")]
    [InlineData("trainer.safetensors", "IO003")]
    public void A_damaged_checkpoint_is_passed_over_with_its_reason(string file, string missingCode)
    {
        using var folder = new TemporaryFolder();
        var store = new CheckpointStore(folder["checkpoints"], 3);
        using var run = new TinyRun(Options, Tiny.Data(9));
        for (int i = 0; i < 2; i++)
        {
            run.Steps(1);
            store.Save(run.Trainer, "");
        }
        string path = folder["checkpoints", "step-2", file];
        byte[] whole = File.ReadAllBytes(path);
        foreach (int cut in new[] { 0, 7, whole.Length / 2, whole.Length - 1 })
        {
            File.WriteAllBytes(path, whole[..cut]);
            Skips();
        }
        byte[] flipped = [.. whole];
        flipped[whole.Length / 2] ^= 4;
        if (file != "state.json")
        {
            File.WriteAllBytes(path, flipped);
            Skips();
        }
        File.Delete(path);
        Assert.Contains(missingCode, Skips(), StringComparison.Ordinal);
        File.WriteAllBytes(path, whole);
        Assert.Equal(2, store.Latest(out _)!.Step);

        string Skips()
        {
            Assert.Equal(1, store.Latest(out IReadOnlyList<string> skipped)!.Step);
            string reason = Assert.Single(skipped);
            Assert.Contains("step-2", reason, StringComparison.Ordinal);
            return reason;
        }
    }

    [Fact]
    public async Task A_kill_at_any_moment_leaves_a_whole_checkpoint()
    {
        using var folder = new TemporaryFolder();
        var store = new CheckpointStore(folder["checkpoints"], 1);
        var random = new Random(4);
        for (int i = 0; i < 6; i++)
        {
            var start = new ProcessStartInfo("dotnet", [typeof(CheckpointTests).Assembly.Location, "checkpoints", store.Root]) { RedirectStandardOutput = true };
            using Process child = Process.Start(start)!;
            // The first line comes after its first checkpoint.
            string? line = await child.StandardOutput.ReadLineAsync();
            Assert.Equal("saving", line);
            await Task.Delay(random.Next(60));
            child.Kill();
            await child.WaitForExitAsync();
            Assert.NotNull(store.Latest(out IReadOnlyList<string> skipped));
            Assert.Empty(skipped);
        }
        using var run = new TinyRun(Options, Tiny.Data(9));
        store.Save(run.Trainer, "");
        Assert.DoesNotContain(Directory.GetDirectories(store.Root), d => Path.GetFileName(d).StartsWith('.'));
    }

    /// <summary>Writes checkpoints until it is killed; the child process of the test above.</summary>
    internal static void SaveForEver(string root)
    {
        var store = new CheckpointStore(root, 1);
        using var run = new TinyRun(Options with { MaxSteps = int.MaxValue, LrSchedule = LearningRateSchedule.Constant }, Tiny.Data(9));
        for (bool told = false; ; told = true)
        {
            run.Steps(1);
            store.Save(run.Trainer, "");
            if (!told)
                Console.WriteLine("saving");
        }
    }

    private sealed class Saver(CheckpointStore store) : ITrainingObserver
    {
        public Dictionary<int, double> Losses { get; } = [];

        public void StepDone(in StepReport report)
        {
        }

        public void Evaluated(int step, Evaluation evaluation, bool best) => Losses[step] = evaluation.Loss;

        public void CheckpointDue(Trainer trainer) => store.Save(trainer, "");
    }
}
