using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Training;

public sealed class TrainerTests(ITestOutputHelper output)
{
    // A larger eps than usual: AdamW divides by the gradient's size and would blow up rounding differences of tiny ones.
    private static readonly TrainingOptions Options = new() { MaxSteps = 100, BatchSize = 4, Eps = 1e-3, LearningRate = 3e-3 };

    [Theory]
    [InlineData(null)]
    [InlineData(30)]
    public void Accumulation_equals_a_large_batch(int? packed)
    {
        // 20 is no multiple of 8: the last step of an epoch is smaller in both runs.
        TokenDataset data = Tiny.Data(20);
        using var large = new TinyRun(Options with { BatchSize = 8, PackedLength = packed }, data);
        using var small = new TinyRun(Options with { BatchSize = 1, GradientAccumulationSteps = 8, PackedLength = packed }, data);
        foreach (((double loss, double norm, _), (double loss2, double norm2, _)) in large.Steps(7).Zip(small.Steps(7)))
        {
            Assert.Equal(loss, loss2, 2e-5);
            Assert.Equal(norm, norm2, 2e-4 * norm);
        }
        Assert.Equal(large.Trainer.Cursor, small.Trainer.Cursor);
        Assert.InRange(Tiny.RelativeDifference(large.Parameters.Values.ToArray(), small.Parameters.Values.ToArray(), large.Start), 0, 1e-3);
    }

    [Fact]
    public void An_epoch_ends_its_last_step()
    {
        TokenDataset data = Tiny.Data(20);
        using var run = new TinyRun(Options with { MaxSteps = null, Epochs = 3, BatchSize = 3, GradientAccumulationSteps = 2 }, data);
        Assert.Equal(12, run.Trainer.TotalSteps);
        long tokens = 0;
        for (int i = 0; i < 4; i++)
            tokens += run.Trainer.RunStep().Tokens;
        Assert.Equal(data.Tokens, tokens);
        Assert.Equal(new DataCursor(1, 0), run.Trainer.Cursor);
        Assert.Equal(TrainingOutcome.Finished, run.Trainer.Run());
        Assert.Equal(new DataCursor(3, 0), run.Trainer.Cursor);
    }

    [Fact]
    public void Examples_do_not_see_each_other()
    {
        TokenDataset data = Tiny.Data(9);
        using var device = new CpuDevice(2);
        using Llama model = Tiny.Model(device);
        using var alone = new Evaluator(model, 1);
        using var together = new Evaluator(model, 9);
        Evaluation a = alone.Run(data), b = together.Run(data);
        Assert.Equal(a.Loss, b.Loss, 1e-5);
        Assert.Equal((data.Targets, (long)data.Tokens), (b.Targets, b.Tokens));
        Assert.Equal(a.Examples.Sum(e => e.Loss * e.Targets) / a.Targets, a.Loss, 1e-9);
        for (int i = 0; i < 9; i++)
        {
            Assert.Equal(data[i].Targets, b.Examples[i].Targets);
            Assert.Equal(a.Examples[i].Loss, b.Examples[i].Loss, 1e-5);
        }
        Assert.InRange(device.LiveBytes - model.WeightBytes, 0, 20_000);
    }

    [Fact]
    public void Checkpointing_changes_no_bit_and_takes_less_memory()
    {
        TokenDataset data = Tiny.Data(16, 60, 60);
        using var plain = new TinyRun(Options with { BatchSize = 16 }, data, config: Tiny.Config with { LayerCount = 6 });
        using var again = new TinyRun(Options with { BatchSize = 16, ActivationCheckpointing = true }, data, config: Tiny.Config with { LayerCount = 6 });
        Assert.Equal(plain.Steps(3), again.Steps(3));
        Assert.Equal(plain.Parameters.Gradients.ToArray(), again.Parameters.Gradients.ToArray());
        Assert.Equal(plain.State(), again.State());
        Assert.InRange(again.Device.PeakBytes, 1, plain.Device.PeakBytes / 2);
    }

    [Fact]
    public void The_thread_count_changes_no_bit()
    {
        TokenDataset data = Tiny.Data(16, 10, 90);
        using var one = new TinyRun(Options, data, threads: 1);
        using var two = new TinyRun(Options, data, threads: 2);
        using var three = new TinyRun(Options, data, threads: 3);
        var steps = one.Steps(5);
        Assert.Equal(steps, two.Steps(5));
        Assert.Equal(steps, three.Steps(5));
        Assert.Equal(one.State(), two.State());
        Assert.Equal(one.State(), three.State());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_thousand_steps_hold_what_ten_held(bool checkpointing)
    {
        // Eight batches of different sizes, all of which come among the first ten.
        using var run = new TinyRun(Options with { MaxSteps = 2000, Shuffle = false, ActivationCheckpointing = checkpointing, LearningRate = 1e-5 }, Tiny.Data(32));
        run.Steps(10);
        (long live, long reserved) = (run.Device.LiveBytes, run.Device.ReservedBytes);
        for (int i = 0; i < 20; i++)
            run.Trainer.RunStep();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
            run.Trainer.RunStep();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        output.WriteLine($"{allocated} bytes allocated in 20 steps");
        Assert.Equal(0, allocated);
        long heap = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < 950; i++)
            run.Trainer.RunStep();
        Assert.Equal((live, reserved), (run.Device.LiveBytes, run.Device.ReservedBytes));
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - heap, long.MinValue, 1 << 20);
    }

    [Fact]
    public void It_learns_and_tells()
    {
        TokenDataset data = Tiny.Data(8);
        using var run = new TinyRun(Options with { MaxSteps = 60, BatchSize = 8, EvalSteps = 20, SaveSteps = 25, Eps = 1e-8 }, data, evaluation: data);
        var log = new Log();
        Assert.Equal(TrainingOutcome.Finished, run.Trainer.Run(log));
        Assert.Equal(Enumerable.Range(1, 60), log.Steps.Select(s => s.Step));
        Assert.Equal([20, 40, 60], log.Evaluations);
        Assert.Equal([25, 50, 60], log.Checkpoints);
        Assert.InRange(log.Steps[^1].Loss, 0, 0.5 * log.Steps[0].Loss);
        StepReport report = log.Steps[3];
        Assert.Equal((60, (long)data.Tokens, (long)data.Targets), (report.TotalSteps, report.Tokens, report.Targets));
        Assert.Equal(6.0 * run.Model.MatrixParameters * data.Tokens, report.Flops);
        Assert.Equal(run.Device.PeakBytes, log.Steps[^1].PeakBytes);
        Assert.Equal(report.Tokens / report.Elapsed.TotalSeconds, report.TokensPerSecond, 1e-3);
        Assert.Equal(run.Trainer.BestEvaluationLoss, run.Trainer.EvaluationLoss);
    }

    [Fact]
    public void Cancelling_finishes_the_step_and_calls_for_a_checkpoint()
    {
        using var run = new TinyRun(Options, Tiny.Data(8));
        using var source = new CancellationTokenSource();
        var log = new Log { CancelAt = 3, Source = source };
        Assert.Equal(TrainingOutcome.Cancelled, run.Trainer.Run(log, source.Token));
        Assert.Equal(3, run.Trainer.Step);
        Assert.Equal([3], log.Checkpoints);
    }

    [Theory]
    [InlineData("max_steps")]
    [InlineData("batch_size")]
    [InlineData("learning_rate")]
    [InlineData("betas[1]")]
    [InlineData("eps")]
    [InlineData("max_grad_norm")]
    public void Wrong_options_are_named(string key)
    {
        TrainingOptions wrong = key switch
        {
            "max_steps" => Options with { Epochs = 1 },
            "batch_size" => Options with { BatchSize = 0 },
            "learning_rate" => Options with { LearningRate = double.NaN },
            "betas[1]" => Options with { Beta2 = 1 },
            "eps" => Options with { Eps = 0 },
            _ => Options with { MaxGradNorm = 0 },
        };
        var error = Assert.Throws<MarrowException>(wrong.Validate);
        Assert.Equal("TR001", error.Code);
        Assert.Contains($"training.{key} ", error.Message, StringComparison.Ordinal);
    }

    private sealed class Log : ITrainingObserver
    {
        public List<StepReport> Steps { get; } = [];

        public List<int> Evaluations { get; } = [];

        public List<int> Checkpoints { get; } = [];

        public int CancelAt { get; init; }

        public CancellationTokenSource? Source { get; init; }

        public void StepDone(in StepReport report)
        {
            Steps.Add(report);
            if (report.Step == CancelAt)
                Source!.Cancel();
        }

        public void Evaluated(int step, Evaluation evaluation, bool best) => Evaluations.Add(step);

        public void CheckpointDue(Trainer trainer) => Checkpoints.Add(trainer.Step);
    }
}
