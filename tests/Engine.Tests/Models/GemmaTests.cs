using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Training;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Models;

/// <summary>Gemma models against <see cref="Gemma3Reference"/>: logits, loss and gradients by differences, the bf16 factor of the embedding, and the cache.</summary>
[Collection(KernelDeviceTests.Name)]
public sealed class GemmaTests(KernelDevices devices, ITestOutputHelper output)
{
    private static readonly int[][] Texts = [[3, 17, 5, 9, 9, 1, 22, 40, 8, 13, 2, 30, 60], [7, 7, 51, 12, 0, 33, 18, 44, 29]];

    // Every number differs from what it is by default, so that none can be forgotten.
    private static LlamaConfig Gemma3 { get; } = Tiny.Config with
    {
        ModelType = "gemma3_text", LayerCount = 3, HiddenSize = 24, HeadDim = 10, TiedEmbeddings = true, QueryKeyNorm = true, Windows = [4, null, 6], RmsNormEps = 1e-3,
        RopeTheta = 300, RopeScaling = new RopeScaling.Linear(3), LocalRopeTheta = 40, QueryPreAttentionScalar = 3, NormOffset = 1, OutputNorms = true, GeluGate = true, ScaledEmbedding = true,
    };

    private static LlamaConfig Gemma2 { get; } = Gemma3 with
    {
        ModelType = "gemma2", QueryKeyNorm = false, LocalRopeTheta = null, RopeScaling = null, AttentionSoftCap = 1.5, FinalSoftCap = 2,
    };

    [Theory]
    [InlineData("cpu", true)]
    [InlineData("cpu", false)]
    [InlineData("opencl", true)]
    [InlineData("cuda", true)]
    public void Logits_loss_and_gradients(string kind, bool third)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        LlamaConfig config = third ? Gemma3 : Gemma2;
        using Llama model = Tiny.Model(device, config);
        using ParameterSet parameters = Tiny.TrainAll(model);
        Dictionary<string, double[]> weights = Weights(model);
        var reference = new Gemma3Reference(config, weights, Math.Sqrt(config.HiddenSize));
        TokenBatch batch = Tiny.Batch(TokenDataset.From(Texts.Select(ids => new TokenExample(ids, ids))), 0, 1);
        using var tape = new Tape(device) { Recording = true, Training = true };
        float[] expected = [.. Texts.SelectMany(ids => reference.Logits(ids)).SelectMany(row => row).Select(z => (float)z)];
        float[] found = model.Logits(tape, batch).ToArray();
        output.WriteLine($"largest difference of logits {expected.Zip(found, (a, b) => Math.Abs(a - b)).Max():e2} of {expected.Max(Math.Abs):f2}");
        Compare.Largest(expected, found, 1e-5 * expected.Max(MathF.Abs), "logits");
        tape.Clear();
        Tensor loss = model.Loss(tape, batch, 1f / batch.Targets, out _);
        double wanted = reference.Loss(Texts);
        Assert.Equal(wanted, loss.ToArray()[0], 2e-6 * wanted);
        tape.Backward(loss);
        foreach (Parameter parameter in parameters.Parameters)
            CheckGradient(parameter.Name, parameter.Value.Grad!.ToArray(), weights[parameter.Name], () => reference.Loss(Texts));
    }

    [Fact]
    public void The_factor_of_a_bf16_embedding_is_rounded_as_its_weights()
    {
        using var device = new CpuDevice(2);
        using Llama source = Tiny.Model(device, Gemma3);
        using var model = new Llama(device, Gemma3, (name, shape) =>
        {
            var tensor = new Tensor(device, shape, shape.Rank == 2 ? DType.BF16 : DType.F32);
            tensor.WriteFloats(source.Weights.Single(w => w.Name == name).Value.ToArray());
            return tensor;
        });
        double factor = (float)(BFloat16)MathF.Sqrt(24);
        Assert.Equal(4.90625, factor);
        float[] Found()
        {
            using var tape = new Tape(device);
            return model.Logits(tape, Tiny.Batch(TokenDataset.From([new(Texts[0], Texts[0])]), 0)).ToArray();
        }
        float[] expected = [.. new Gemma3Reference(Gemma3, Weights(model), factor).Logits(Texts[0]).SelectMany(row => row).Select(z => (float)z)];
        Compare.Largest(expected, Found(), 1e-5 * expected.Max(MathF.Abs));
        // Training the weights in fp32 leaves the model what it was.
        using ParameterSet parameters = Tiny.TrainAll(model);
        Compare.Largest(expected, Found(), 1e-5 * expected.Max(MathF.Abs));
    }

    [Theory]
    [InlineData("cpu", true)]
    [InlineData("cpu", false)]
    [InlineData("opencl", false)]
    [InlineData("cuda", false)]
    public void Cached_logits_are_those_of_the_whole_text(string kind, bool third)
    {
        if (!devices.Find(output, kind, out Device device))
            return;
        using Llama model = Tiny.Model(device, third ? Gemma3 : Gemma2);
        int[] ids = Tiny.Data(1, 30, 30).Ids(0).ToArray();
        using var tape = new Tape(device);
        float[] whole = model.Logits(tape, Tiny.Batch(TokenDataset.From([new(ids, ids)]), 0)).ToArray();
        using SequenceState cache = model.CreateState(30);
        for (int at = 0, step = 1; at < 30; at += step, step = Math.Min(step + 2, 30 - at))
        {
            float[] last = model.Next(tape, ids.AsSpan(at, step), cache).ToArray();
            Compare.Largest(whole.AsSpan((at + step - 1) * Tiny.Vocabulary, Tiny.Vocabulary), last, 1e-5 * whole.Max(MathF.Abs));
            tape.Clear();
        }
    }

    [Fact]
    public void Fresh_norms_multiply_by_one()
    {
        using var device = new CpuDevice(1);
        using Llama model = ModelLoader.Create(device, Gemma3, 1);
        string[] norms = [.. model.Weights.Where(w => w.Value.Shape.Rank == 1).Select(w => w.Name)];
        Assert.Equal(6 * Gemma3.LayerCount + 1, norms.Length);
        Assert.All(model.Weights.Where(w => w.Value.Shape.Rank == 1), w => Assert.All(w.Value.ToArray(), v => Assert.Equal(0f, v)));
    }

    private static Dictionary<string, double[]> Weights(Llama model) => model.Weights.ToDictionary(w => w.Name, w => Array.ConvertAll(w.Value.ToArray(), v => (double)v));

    // Two single elements and two random directions.
    private static void CheckGradient(string name, float[] gradient, double[] values, Func<double> loss)
    {
        var random = new Random(name.Length);
        double limit = 2e-5 * Math.Sqrt(gradient.Sum(g => (double)g * g));
        Assert.True(limit > 0, $"{name}: no gradient");
        for (int test = 0; test < 4; test++)
        {
            double[] direction = [.. values.Select(_ => test < 2 ? 0 : random.NextDouble() * 2 - 1)];
            if (test < 2)
                direction[random.Next(values.Length)] = 1;
            double[] kept = [.. values];
            double At(double step)
            {
                for (int i = 0; i < values.Length; i++)
                    values[i] = kept[i] + step * direction[i];
                return loss();
            }
            const double Step = 1e-4;
            double expected = (8 * (At(Step) - At(-Step)) - (At(2 * Step) - At(-2 * Step))) / (12 * Step), found = direction.Zip(gradient, (d, g) => d * g).Sum();
            kept.CopyTo(values, 0);
            Assert.True(Math.Abs(expected - found) <= limit * Math.Max(1, Math.Sqrt(direction.Sum(d => d * d)) / 4), $"{name}: {found:r} instead of {expected:r}, limit {limit:e1}");
        }
    }
}
