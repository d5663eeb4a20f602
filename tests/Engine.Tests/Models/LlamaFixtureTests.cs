using System.Text.Json;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Training;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Models;

/// <summary>A small Llama against another program: logits, loss, gradients and ten steps of full training, within the limits that its authors give.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class LlamaFixtureTests(KernelDevices devices, ITestOutputHelper output)
{
    // Of the largest value: two blocks round some twenty times by up to 2⁻⁸ each.
    private const double Bf16Limit = 2e-2;

    [Theory]
    [InlineData("cpu", "model", null, "expected", "loss_f64")]
    [InlineData("cpu", "model_sharded", null, "expected", "loss_f64")]
    [InlineData("cpu", "model_bf16", null, "expected_bf16_weights", "bf16_weights")]
    [InlineData("cpu", "model_bf16", DType.F32, "expected_bf16_weights", "bf16_weights")]
    [InlineData("opencl", "model", null, "expected", "loss_f64")]
    [InlineData("opencl", "model_bf16", null, "expected_bf16_weights", "bf16_weights")]
    [InlineData("cuda", "model", null, "expected", "loss_f64")]
    [InlineData("cuda", "model_bf16", null, "expected_bf16_weights", "bf16_weights")]
    public void Logits_and_loss(string kind, string folder, DType? matrices, string expected, string loss)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device))
            return;
        using CausalModel model = Load(device, root, folder, matrices);
        if (folder == "model_bf16" && matrices is null)
            Assert.Equal(DType.BF16, model.Head.Value.DType);
        TokenDataset data = Batch(root);
        using var tape = new Tape(device);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(root, expected + ".safetensors"));
        Compare.Largest(file.ReadFloats("logits"), model.Logits(tape, Tiny.Batch(data, 0, 1)).ToArray(), 1e-4);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(root, "expected.json")));
        JsonElement number = json.RootElement.GetProperty(loss);
        using var evaluator = new Evaluator(model, 2);
        Evaluation evaluation = evaluator.Run(data);
        Assert.Equal(35, evaluation.Targets);
        Assert.Equal((number.ValueKind == JsonValueKind.Object ? number.GetProperty("loss_f64") : number).GetDouble(), evaluation.Loss, 1e-5);
    }

    // Rows of 64 are whole blocks; those of 176 stay fp32.
    [Theory]
    [InlineData("opencl", DType.Q8_0, DType.F32)]
    [InlineData("opencl", DType.NF4, DType.F32)]
    [InlineData("opencl", DType.Q8_0, DType.BF16)]
    [InlineData("cuda", DType.Q8_0, DType.F32)]
    [InlineData("cuda", DType.NF4, DType.F32)]
    [InlineData("cuda", DType.Q8_0, DType.BF16)]
    public void Quantised_matrices_give_the_logits_of_the_cpu(string kind, DType type, DType activations)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device) || !devices.Find(output, "cpu", out Device cpu))
            return;
        using CausalModel model = Load(device, root, "model"), host = Load(cpu, root, "model"), plain = Load(cpu, root, "model");
        Assert.Equal(2 + 2 * 6, Quantise(model, type));
        Quantise(host, type);
        TokenDataset data = Batch(root);
        using Tape tape = new(device) { ActivationType = activations }, hostTape = new(cpu), plainTape = new(cpu);
        float[] got = model.Logits(tape, Tiny.Batch(data, 0, 1)).ToArray(), want = host.Logits(hostTape, Tiny.Batch(data, 0, 1)).ToArray(), exact = plain.Logits(plainTape, Tiny.Batch(data, 0, 1)).ToArray();
        Compare.Largest(want, got, activations == DType.F32 ? 1e-4 : Bf16Limit * want.Max(MathF.Abs));
        // It is not the stored model that was computed.
        Assert.True(exact.Zip(want, (a, b) => Math.Abs(a - b)).Max() > 1e-3);
        using Evaluator evaluator = new(model, 2), hostEvaluator = new(host, 2);
        Assert.Equal(hostEvaluator.Run(data).Loss, evaluator.Run(data).Loss, 1e-5);
    }

    private static int Quantise(CausalModel model, DType type)
    {
        BlockFormat format = BlockFormats.Of(type);
        int count = 0;
        foreach (Layers.Weight weight in model.Weights.Where(w => w.Value.Shape.Rank == 2 && w.Value.Shape.Last % format.Elements == 0))
        {
            var bytes = new byte[type.Bytes(weight.Value.Shape.Count)];
            format.Encode!(weight.Value.ToArray(), bytes);
            var blocks = new Tensor(model.Device, weight.Value.Shape, type);
            blocks.Upload<byte>(bytes);
            weight.Replace(blocks);
            count++;
        }
        return count;
    }

    [Fact]
    public void Matrices_are_rounded_on_loading()
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using var device = new CpuDevice(2);
        using CausalModel rounded = Load(device, root, "model", DType.BF16), stored = Load(device, root, "model_bf16");
        foreach ((Layers.Weight a, Layers.Weight b) in rounded.Weights.Zip(stored.Weights).Where(w => w.First.Value.Shape.Rank == 2))
        {
            Assert.Equal((DType.BF16, DType.BF16), (a.Value.DType, b.Value.DType));
            Assert.Equal(b.Value.ToArray(), a.Value.ToArray());
        }
    }

    [Theory]
    [InlineData("cpu", false)]
    [InlineData("cpu", true)]
    [InlineData("opencl", false)]
    [InlineData("opencl", true)]
    [InlineData("cuda", false)]
    [InlineData("cuda", true)]
    public void Gradients_of_every_weight(string kind, bool checkpointing)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device))
            return;
        using CausalModel model = Load(device, root, "model");
        using ParameterSet parameters = Tiny.TrainAll(model);
        model.ActivationCheckpointing = checkpointing;
        using var tape = new Tape(device) { Recording = true, Training = true };
        tape.Backward(model.Loss(tape, Tiny.Batch(Batch(root), 0, 1), 1f / 35, out _));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(root, "full", "grads.safetensors"));
        Assert.Equal(file.Tensors.Keys.Order(), parameters.Parameters.Select(p => p.Name).Order());
        double difference = 0, all = 0;
        foreach (Parameter parameter in parameters.Parameters)
        {
            float[] expected = file.ReadFloats(parameter.Name), found = parameter.Value.Grad!.ToArray();
            Compare.Largest(expected, found, 5e-5 * expected.Max(MathF.Abs), parameter.Name);
            for (int i = 0; i < expected.Length; i++)
            {
                difference += Math.Pow(found[i] - expected[i], 2);
                all += Math.Pow(expected[i], 2);
            }
        }
        Assert.InRange(Math.Sqrt(difference / all), 0, 2e-5);
    }

    /// <summary>Weights and activations in bf16, the norms trainable in fp32, against another program's fp32 activations over the same weights.</summary>
    [Theory]
    [InlineData("opencl")]
    [InlineData("cuda")]
    public void Bf16_stays_near_fp32(string kind)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device))
            return;
        using CausalModel model = Load(device, root, "model_bf16");
        model.ActivationType = DType.BF16;
        using var tape = new Tape(device) { Recording = true, Training = true };
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(root, "expected_bf16_weights.safetensors"));
        float[] logits = file.ReadFloats("logits"), found = model.Logits(tape, Tiny.Batch(Batch(root), 0, 1)).ToArray();
        tape.Clear();
        output.WriteLine($"logits differ by {logits.Zip(found, (a, b) => Math.Abs(a - b)).Max() / logits.Max(MathF.Abs):e1} of the largest");
        Compare.Largest(logits, found, Bf16Limit * logits.Max(MathF.Abs));
        using ParameterSet parameters = Tiny.TrainAll(model, w => w.Value.Shape.Rank == 1);
        Tensor loss = model.Loss(tape, Tiny.Batch(Batch(root), 0, 1), 1f / 35, out _);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(root, "expected.json")));
        JsonElement number = json.RootElement.GetProperty("bf16_weights");
        double expected = (number.ValueKind == JsonValueKind.Object ? number.GetProperty("loss_f64") : number).GetDouble();
        output.WriteLine($"loss {loss.ToArray()[0]:f5}, expected {expected:f5}");
        Assert.Equal(expected, loss.ToArray()[0], 2e-3 * expected);
        tape.Backward(loss);
        using SafetensorsFile gradients = SafetensorsFile.Open(Path.Combine(root, "full", "grads.safetensors"));
        foreach (Parameter parameter in parameters.Parameters)
        {
            float[] want = gradients.ReadFloats(parameter.Name), got = parameter.Value.Grad!.ToArray();
            output.WriteLine($"{parameter.Name}: {want.Zip(got, (a, b) => Math.Abs(a - b)).Max() / want.Max(MathF.Abs):e1}");
            Compare.Largest(want, got, 2 * Bf16Limit * want.Max(MathF.Abs), parameter.Name);
        }
    }

    [Theory]
    [InlineData("cpu", 2, 1)]
    [InlineData("cpu", 1, 2)]
    [InlineData("opencl", 2, 1)]
    [InlineData("opencl", 1, 2)]
    [InlineData("cuda", 2, 1)]
    [InlineData("cuda", 1, 2)]
    public void Ten_steps_of_training(string kind, int batchSize, int accumulation)
    {
        if (!Fixtures.Find(output, "llama_a", out string root) || !devices.Find(output, kind, out Device device))
            return;
        using CausalModel model = Load(device, root, "model");
        using ParameterSet parameters = Tiny.TrainAll(model);
        float[] start = parameters.Values.ToArray();
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(root, "full", "expected.json")));
        TokenDataset data = Batch(root);
        var options = new TrainingOptions { MaxSteps = 10, BatchSize = batchSize, GradientAccumulationSteps = accumulation, Shuffle = false };
        using var trainer = new Trainer(model, parameters, data, options);
        for (int i = 0; i < 10; i++)
        {
            StepReport report = trainer.RunStep();
            double norm = json.RootElement.GetProperty("grad_norms_before_clip_f64")[i].GetDouble();
            Assert.Equal(json.RootElement.GetProperty("losses_f64")[i].GetDouble(), report.Loss, 5e-5);
            Assert.Equal(norm, report.GradNorm, 2e-5 * norm);
        }
        Assert.Equal(json.RootElement.GetProperty("loss_after_last_step_f64").GetDouble(), trainer.Evaluate(data).Loss, 5e-5);

        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(root, "full", "final.safetensors"));
        using var final = new ParameterSet(device, parameters.Parameters.Select(p => (p.Name, p.Value.Shape)));
        foreach (Parameter parameter in final.Parameters)
            parameter.Value.Upload<float>(file.ReadFloats(parameter.Name));
        Compare.Largest(final.Values.ToArray(), parameters.Values.ToArray(), 1e-3);
        double relative = Tiny.RelativeDifference(final.Values.ToArray(), parameters.Values.ToArray(), start);
        output.WriteLine($"final tensors differ by {relative:e1} of the update");
        Assert.InRange(relative, 0, 5e-4);
    }

    private static CausalModel Load(Device device, string root, string folder, DType? matrices = null)
    {
        using ModelFolder files = ModelFolder.Open(Path.Combine(root, folder));
        return ModelLoader.Load(device, files, matrices);
    }

    private static TokenDataset Batch(string root)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(root, "batch.safetensors"));
        int[] ids = [.. file.ReadInt64s("input_ids").Select(i => (int)i)], labels = [.. file.ReadInt64s("labels").Select(i => (int)i)];
        return TokenDataset.From([new(ids[..24], labels[..24]), new(ids[24..], labels[24..])]);
    }
}
