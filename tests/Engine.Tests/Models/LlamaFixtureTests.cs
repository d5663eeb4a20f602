using System.Text.Json;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Training;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Models;

/// <summary>A small Llama against another program: logits, loss, gradients and ten steps of full training, within the limits that its authors give.</summary>
public sealed class LlamaFixtureTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("model", null, "expected", "loss_f64")]
    [InlineData("model_sharded", null, "expected", "loss_f64")]
    [InlineData("model_bf16", null, "expected_bf16_weights", "bf16_weights")]
    [InlineData("model_bf16", DType.F32, "expected_bf16_weights", "bf16_weights")]
    public void Logits_and_loss(string folder, DType? matrices, string expected, string loss)
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using var device = new CpuDevice(2);
        using Llama model = Load(device, root, folder, matrices);
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

    [Fact]
    public void Matrices_are_rounded_on_loading()
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using var device = new CpuDevice(2);
        using Llama rounded = Load(device, root, "model", DType.BF16), stored = Load(device, root, "model_bf16");
        foreach ((Layers.Weight a, Layers.Weight b) in rounded.Weights.Zip(stored.Weights).Where(w => w.First.Value.Shape.Rank == 2))
        {
            Assert.Equal((DType.BF16, DType.BF16), (a.Value.DType, b.Value.DType));
            Assert.Equal(b.Value.ToArray(), a.Value.ToArray());
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gradients_of_every_weight(bool checkpointing)
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using var device = new CpuDevice(2);
        using Llama model = Load(device, root, "model");
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

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public void Ten_steps_of_training(int batchSize, int accumulation)
    {
        if (!Fixtures.Find(output, "llama_a", out string root))
            return;
        using var device = new CpuDevice(2);
        using Llama model = Load(device, root, "model");
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

    private static Llama Load(CpuDevice device, string root, string folder, DType? matrices = null)
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
