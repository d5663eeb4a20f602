using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;

namespace Marrow.Engine.Tests.Training;

public sealed class WatchdogTests
{
    private static readonly TrainingOptions Options = new() { MaxSteps = 100, BatchSize = 2, Shuffle = false };

    [Fact]
    public void A_loss_that_is_no_number_stops_before_the_update()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Put("train.jsonl", """
            {"input_ids": [1, 2, 3], "labels": [1, 2, 3]}

            {"input_ids": [4, 5, 6], "labels": [4, 5, 6]}
            {"input_ids": [7, 8], "labels": [7, 8]}
            {"input_ids": [9, 10], "labels": [9, 10]}

            """);
        TokenDataset data = DatasetLoader.Load(file, new DatasetOptions { Format = DatasetFormat.Tokens }, new ModelVocabulary(Tiny.Vocabulary)).Examples;
        using var run = new TinyRun(Options, data);
        run.Steps(1);
        Tensor embedding = run.Parameters["model.embed_tokens.weight"].Value;
        embedding.Upload<float>([float.NaN], 7 * 32);
        float[] before = run.State();
        DataCursor cursor = run.Trainer.Cursor;
        var error = Assert.Throws<MarrowException>(() => run.Trainer.RunStep());
        Assert.Equal("TR011", error.Code);
        Assert.StartsWith("Step 2: the loss is NaN on lines 4, 5;", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, run.State());
        Assert.Equal((1, cursor), (run.Trainer.Step, run.Trainer.Cursor));
        long live = run.Device.LiveBytes;
        Assert.Throws<MarrowException>(() => run.Trainer.RunStep());
        Assert.Equal(live, run.Device.LiveBytes);
    }

    [Fact]
    public void A_gradient_that_overflows_stops_before_the_update()
    {
        using var run = new TinyRun(Options, Tiny.Data(4));
        // Hidden states far below the norm's epsilon and a huge head: logits and loss are numbers, the gradient behind the norm is not.
        Tensor embedding = run.Parameters["model.embed_tokens.weight"].Value, head = run.Parameters["lm_head.weight"].Value;
        embedding.Upload<float>([.. embedding.ToArray().Select(x => x * 1e-25f)]);
        head.Upload<float>([.. head.ToArray().Select(x => x * 1e37f)]);
        float[] before = run.State();
        var error = Assert.Throws<MarrowException>(() => run.Trainer.RunStep());
        Assert.Equal("TR011", error.Code);
        Assert.Contains("the gradient norm is ", error.Message, StringComparison.Ordinal);
        Assert.Contains("examples (from 0) 0, 1;", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, run.State());
    }

    [Fact]
    public void A_step_without_targets_is_an_error()
    {
        int[] masked = [-100, -100, -100];
        TokenDataset data = TokenDataset.From([new([1, 2, 3], [1, 2, 3]), new([1, 2, 3], masked), new([3, 2, 1], masked)]);
        using var run = new TinyRun(Options with { BatchSize = 1 }, data);
        run.Steps(1);
        var error = Assert.Throws<MarrowException>(() => run.Trainer.RunStep());
        Assert.Equal("TR010", error.Code);
        Assert.Contains("examples (from 0) 1 is masked", error.Message, StringComparison.Ordinal);
        // Beside others an example without targets adds nothing.
        using var together = new TinyRun(Options with { BatchSize = 1, GradientAccumulationSteps = 3 }, data);
        using var alone = new TinyRun(Options with { BatchSize = 1 }, data);
        Assert.Equal(alone.Steps(1)[0], together.Steps(1)[0]);
    }

    [Fact]
    public void A_gradient_of_zero_stops_the_run()
    {
        using var run = new TinyRun(Options with { StallSteps = 5, WeightDecay = 0 }, Tiny.Data(4));
        // With head and last norm at zero nothing depends on anything.
        run.Parameters["lm_head.weight"].Value.Clear();
        run.Parameters["model.norm.weight"].Value.Clear();
        run.Steps(4);
        Assert.Equal("TR012", Assert.Throws<MarrowException>(() => run.Trainer.RunStep()).Code);
    }

    [Fact]
    public void A_gradient_that_never_moves_stops_the_run()
    {
        using var run = new TinyRun(Options with { BatchSize = 4, StallSteps = 5, LearningRate = 1e-30, Shuffle = false }, Tiny.Data(4));
        run.Steps(4);
        Assert.Equal("TR013", Assert.Throws<MarrowException>(() => run.Trainer.RunStep()).Code);
    }

    [Fact]
    public void Data_without_a_single_target_are_refused()
    {
        TokenDataset data = TokenDataset.From([new([1, 2], [1, -100])]);
        Assert.Equal("TR004", Assert.Throws<MarrowException>(() => new TinyRun(Options, data)).Code);
        using var run = new TinyRun(Options, Tiny.Data(4));
        Assert.Equal("TR002", Assert.Throws<MarrowException>(() => run.Trainer.Evaluate(data)).Code);
    }
}
