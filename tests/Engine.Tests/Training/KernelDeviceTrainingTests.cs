using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Training;

/// <summary>Whole training steps on the devices that run kernels: same results as on the CPU, one wait a step, nothing that grows.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class KernelDeviceTrainingTests(KernelDevices devices, ITestOutputHelper output)
{
    private static readonly TrainingOptions Options = new() { MaxSteps = 2000, BatchSize = 3, GradientAccumulationSteps = 2, Eps = 1e-3, LearningRate = 3e-3 };

    [Theory]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Steps_follow_those_of_the_cpu(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        TokenDataset data = Tiny.Data(20);
        using var cpu = new TinyRun(Options, data);
        using var gpu = new TinyRun(Options, data, device: device);
        foreach (((double loss, double norm, _), (double loss2, double norm2, _)) in cpu.Steps(10).Zip(gpu.Steps(10)))
        {
            Assert.Equal(loss, loss2, 2e-5);
            Assert.Equal(norm, norm2, 2e-4 * norm);
        }
        Assert.InRange(Tiny.RelativeDifference(cpu.Parameters.Values.ToArray(), gpu.Parameters.Values.ToArray(), cpu.Start), 0, 1e-3);
        Evaluation a = cpu.Trainer.Evaluate(data), b = gpu.Trainer.Evaluate(data);
        Assert.Equal(a.Loss, b.Loss, 5e-5);
    }

    [Theory]
    [InlineData("opencl", DType.F32)]
    [InlineData("opencl", DType.BF16)]
    [InlineData("cuda", DType.F32)]
    [InlineData("cuda", DType.BF16)]
    public void A_step_waits_once_and_allocates_nothing(string kind, DType activations)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        var gpu = (KernelDevice)device;
        // Few and small layers: launches are what the time goes to. Eight batches of different sizes, all of which come among the first steps.
        using var run = new TinyRun(Options with { BatchSize = 2, Shuffle = false, LearningRate = 1e-5 }, Tiny.Data(16, 3, 12), config: Tiny.Config with { LayerCount = 1 },
            device: device, activations: activations);
        run.Steps(10);
        (long live, long reserved, int built) = (device.LiveBytes, device.ReservedBytes, gpu.Compiled + gpu.Loaded);
        for (int i = 0; i < 40; i++)
            run.Trainer.RunStep();
        (long before, long waits, long launches) = (GC.GetAllocatedBytesForCurrentThread(), gpu.Waits, gpu.Launches);
        for (int i = 0; i < 20; i++)
            run.Trainer.RunStep();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        output.WriteLine($"{allocated} bytes allocated, {gpu.Waits - waits} waits and {gpu.Launches - launches} launches in 20 steps");
        Assert.Equal(0, allocated);
        Assert.Equal(20, gpu.Waits - waits);
        for (int i = 0; i < 930; i++)
            run.Trainer.RunStep();
        Assert.Equal((live, reserved, built), (device.LiveBytes, device.ReservedBytes, gpu.Compiled + gpu.Loaded));
    }

    [Theory]
    [InlineData("opencl", DType.F32)]
    [InlineData("opencl", DType.BF16)]
    [InlineData("cuda", DType.F32)]
    [InlineData("cuda", DType.BF16)]
    public void Runs_are_repeated_and_resumed_bit_by_bit(string kind, DType activations)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        TokenDataset data = Tiny.Data(9);
        using var folder = new TemporaryFolder();
        TinyRun New(bool checkpointing = false) => new(Options with { ActivationCheckpointing = checkpointing }, data, device: device, activations: activations);
        using TinyRun straight = New();
        var expected = straight.Steps(6);
        using (TinyRun again = New(checkpointing: true))
        {
            Assert.Equal(expected, again.Steps(6));
            Assert.Equal(straight.State(), again.State());
        }
        using (TinyRun first = New())
        {
            Assert.Equal(expected[..3], first.Steps(3));
            TrainingCheckpoint.Write(folder["c"], first.Trainer, "job");
        }
        using TinyRun second = New();
        second.Parameters.Values.Clear();
        second.Trainer.Restore(TrainingCheckpoint.Open(folder["c"]), "job");
        Assert.Equal(expected[3..], second.Steps(3));
        Assert.Equal(straight.State(), second.State());
    }

    [Theory]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Bf16_activations_learn_as_fp32_ones(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        TokenDataset data = Tiny.Data(8);
        TrainingOptions options = Options with { BatchSize = 8, GradientAccumulationSteps = 1, Eps = 1e-8 };
        using var full = new TinyRun(options, data, device: device);
        using var half = new TinyRun(options, data, device: device, activations: DType.BF16);
        double[] a = [.. full.Steps(60).Select(s => s.Loss)], b = [.. half.Steps(60).Select(s => s.Loss)];
        double worst = a.Zip(b, (x, y) => Math.Abs(x - y) / x).Max();
        output.WriteLine($"fp32 {a[0]:f4} → {a[^1]:f4}, bf16 {b[0]:f4} → {b[^1]:f4}, largest difference {worst:p1}");
        Assert.InRange(b[^1], 0, 0.5 * b[0]);
        Assert.InRange(worst, 0, 0.03);
    }

    [Theory]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void A_loss_that_is_no_number_stops_before_the_update(string kind)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        using var run = new TinyRun(Options with { BatchSize = 2, GradientAccumulationSteps = 2, Shuffle = false }, TokenDataset.From([
            new([1, 2, 3], [1, 2, 3]), new([1, 2], [1, 2]), new([1, 2, 3], [1, 2, 3]), new([1, 7], [1, 7]),
        ]), device: device);
        run.Steps(1);
        run.Parameters["model.embed_tokens.weight"].Value.Upload<float>([float.NaN], 1 * 32);
        float[] before = run.State();
        var error = Assert.Throws<MarrowException>(() => run.Trainer.RunStep());
        Assert.Equal("TR011", error.Code);
        // Every loss and the norm are NaN: the first loss is what is told.
        Assert.StartsWith("Step 2: the loss is NaN on examples (from 0) 0, 1;", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, run.State());
    }

    [Theory]
    [InlineData("opencl", DType.F32)]
    [InlineData("opencl", DType.BF16)]
    [InlineData("cuda", DType.F32)]
    [InlineData("cuda", DType.BF16)]
    public void Cached_logits_are_those_of_the_whole_text(string kind, DType activations)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        using Llama model = Tiny.Model(device);
        model.ActivationType = activations;
        int[] ids = Tiny.Data(1, 30, 30).Ids(0).ToArray();
        using var tape = new Tape(device);
        float[] whole = model.Logits(tape, Tiny.Batch(TokenDataset.From([new(ids, ids)]), 0)).ToArray();
        double limit = (activations == DType.F32 ? 2e-5 : 2e-2) * whole.Max(MathF.Abs);
        using SequenceState cache = model.CreateState(30);
        for (int at = 0, step = 1; at < 30; at += step, step = Math.Min(step + 2, 30 - at))
        {
            Tensor last = model.Next(tape, ids.AsSpan(at, step), cache);
            Assert.Equal(DType.F32, last.DType);
            int row = (at + step - 1) * Tiny.Vocabulary;
            Models.Compare.Largest(whole.AsSpan(row, Tiny.Vocabulary), last.ToArray(), limit);
            tape.Clear();
        }
    }
}
