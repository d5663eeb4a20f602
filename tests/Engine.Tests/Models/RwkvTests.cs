using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Training;
using Marrow.Engine.Training;
using Marrow.Formats.Datasets;
using Marrow.Formats.Rwkv;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Models;

/// <summary>What holds of RWKV models whatever their weights: the ways of computing them agree.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class RwkvTests(KernelDevices devices, ITestOutputHelper output)
{
    public static TheoryData<string, int> Both => new() { { "cpu", 6 }, { "cpu", 7 }, { "opencl", 6 }, { "opencl", 7 }, { "cuda", 6 }, { "cuda", 7 } };

    [Theory]
    [MemberData(nameof(Both))]
    public void Reading_token_by_token_gives_the_logits_of_reading_at_once(string kind, int version)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        using CausalModel model = TinyRwkv.Model(device, version);
        TokenDataset data = Tiny.Data(1, 37, 37);
        using var tape = new Tape(device);
        float[] whole = model.Logits(tape, Tiny.Batch(data, 0)).ToArray();
        tape.Clear();
        using SequenceState state = model.CreateState(1);
        int v = model.VocabularySize;
        for (int t = 0; t < 37; t++)
        {
            Compare.Largest(whole.AsSpan(t * v, v), model.Next(tape, data.Ids(0).Slice(t, 1), state).ToArray(), 2e-5, $"position {t}");
            tape.Clear();
        }
        Assert.Equal(37, state.Length);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void Packed_sequences_do_not_see_each_other(string kind, int version)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        using CausalModel model = TinyRwkv.Model(device, version);
        TokenDataset data = Tiny.Data(5, 1, 40);
        using var tape = new Tape(device);
        float[] packed = model.Logits(tape, Tiny.Batch(data, 0, 1, 2, 3, 4)).ToArray();
        int at = 0;
        for (int i = 0; i < 5; i++)
        {
            tape.Clear();
            float[] alone = model.Logits(tape, Tiny.Batch(data, i)).ToArray();
            Compare.Largest(alone, packed.AsSpan(at, alone.Length), 2e-5, $"sequence {i}");
            at += alone.Length;
        }
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void Segments_give_the_loss_of_the_whole_and_the_gradients_that_are_not_cut(string kind, int version)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        TokenDataset data = Tiny.Data(3, 20, 45);
        (float wholeLoss, Dictionary<string, float[]> whole) = Step(device, version, data, null);
        (float loss, Dictionary<string, float[]> segmented) = Step(device, version, data, 8);
        Assert.Equal(wholeLoss, loss, 1e-5f * wholeLoss);
        // What stands behind the last token shift does not reach back over a border.
        string last = "blocks.2.";
        int compared = 0;
        foreach ((string name, float[] expected) in whole)
        {
            if (name is "head.weight" or "ln_out.weight" or "ln_out.bias" || name.StartsWith(last + "ffn", StringComparison.Ordinal))
            {
                Compare.Largest(expected, segmented[name], 2e-5 * expected.Max(MathF.Abs), name);
                compared++;
            }
        }
        Assert.Equal(version == 7 ? 6 : 8, compared);
        // Those of the first block do, so they differ: the state is cut from the gradient, not carried along by chance.
        string decay = version == 7 ? "blocks.0.att.w0" : "blocks.0.att.time_decay";
        Assert.NotEqual(whole[decay], segmented[decay]);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void One_segment_is_the_whole(string kind, int version)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        TokenDataset data = Tiny.Data(3, 20, 45);
        (float wholeLoss, Dictionary<string, float[]> whole) = Step(device, version, data, null);
        (float loss, Dictionary<string, float[]> segmented) = Step(device, version, data, 45);
        Assert.Equal(wholeLoss, loss);
        foreach ((string name, float[] expected) in whole)
            Assert.Equal(expected, segmented[name]);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void Checkpointing_changes_no_bit(string kind, int version)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        TokenDataset data = Tiny.Data(3, 20, 45);
        foreach (int? segment in new int?[] { null, 8 })
        {
            (float keptLoss, Dictionary<string, float[]> kept) = Step(device, version, data, segment);
            (float loss, Dictionary<string, float[]> again) = Step(device, version, data, segment, checkpointing: true);
            Assert.Equal(keptLoss, loss);
            foreach ((string name, float[] expected) in kept)
                Compare.Largest(expected, again[name], 0, name);
        }
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void Packed_rows_in_segments_give_what_their_examples_give(string kind, int version)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        // Some examples are longer than a segment; a row holds more of them than a batch has rows, and all of them make one step.
        TokenDataset data = Tiny.Data(14, 3, 30);
        var packed = new TrainingOptions { MaxSteps = 1, BatchSize = 2, GradientAccumulationSteps = 10, Shuffle = false, PackedLength = 60, SegmentLength = 7 };
        (float expectedLoss, Dictionary<string, float[]> expected) = Step(device, version, data, packed.SegmentLength);
        (float loss, Dictionary<string, float[]> found) = StepWith(device, version, data, packed);
        Assert.Equal(expectedLoss, loss, 1e-5);
        foreach ((string name, float[] gradient) in expected)
            Compare.Largest(gradient, found[name], 2e-5, name);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void Segments_bound_the_memory_of_packed_rows(int version)
    {
        Assert.True(devices.Find(output, "cpu", out Device device));
        TokenDataset data = Tiny.Data(200, 8, 8);
        long Peak(int? segment)
        {
            using CausalModel model = TinyRwkv.Model(device, version);
            using ParameterSet parameters = Tiny.TrainAll(model);
            using var trainer = new Trainer(model, parameters, data, new TrainingOptions { MaxSteps = 1, BatchSize = 1, PackedLength = 1600, SegmentLength = segment });
            return trainer.RunStep().PeakBytes - parameters.Values.Bytes * 4;
        }

        Assert.InRange(Peak(8), 0, Peak(null) / 4);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void A_steady_step_allocates_nothing(int version)
    {
        Assert.True(devices.Find(output, "cpu", out Device device));
        foreach (int? segment in new int?[] { null, 8 })
        {
            using CausalModel model = TinyRwkv.Model(device, version);
            using ParameterSet parameters = Tiny.TrainAll(model);
            using var trainer = new Trainer(model, parameters, Tiny.Data(4, 20, 20), new TrainingOptions { MaxSteps = 20, BatchSize = 2, SegmentLength = segment });
            for (int step = 0; step < 6; step++)
                trainer.RunStep();
            long before = GC.GetAllocatedBytesForCurrentThread();
            trainer.RunStep();
            // The report itself is an object.
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200);
        }
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void Evaluation_in_segments_is_that_of_the_whole(string kind, int version)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        using CausalModel model = TinyRwkv.Model(device, version);
        TokenDataset data = Tiny.Data(5, 3, 45);
        using var whole = new Evaluator(model, 2);
        using var parts = new Evaluator(model, 2, 7);
        Evaluation expected = whole.Run(data), found = parts.Run(data);
        Assert.Equal(expected.Loss, found.Loss, 1e-5);
        for (int i = 0; i < data.Count; i++)
            Assert.Equal(expected.Examples[i].Loss, found.Examples[i].Loss, 2e-5);
    }

    [Fact]
    public void A_model_without_a_state_refuses_segments()
    {
        Assert.True(devices.Find(output, "cpu", out Device device));
        using CausalModel model = Tiny.Model(device);
        using ParameterSet parameters = Tiny.TrainAll(model);
        Formats.MarrowException e = Assert.Throws<Formats.MarrowException>(() => new Trainer(model, parameters, Tiny.Data(2), new TrainingOptions { MaxSteps = 1, SegmentLength = 8 }));
        Assert.Equal("TR006", e.Code);
    }

    // Loss and all gradients of one batch, as the trainer computes them.
    private static (float Loss, Dictionary<string, float[]> Gradients) Step(Device device, int version, TokenDataset data, int? segment, bool checkpointing = false) =>
        StepWith(device, version, data, new TrainingOptions { MaxSteps = 1, BatchSize = data.Count, Shuffle = false, SegmentLength = segment, ActivationCheckpointing = checkpointing });

    private static (float Loss, Dictionary<string, float[]> Gradients) StepWith(Device device, int version, TokenDataset data, TrainingOptions options)
    {
        using CausalModel model = TinyRwkv.Model(device, version);
        using ParameterSet parameters = Tiny.TrainAll(model);
        using var trainer = new Trainer(model, parameters, data, options);
        float loss = (float)trainer.RunStep().Loss;
        return (loss, parameters.Parameters.ToDictionary(p => p.Name, p => p.Value.Grad!.ToArray()));
    }
}
