using Marrow.Engine;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters.Tests;

/// <summary>A random Llama whose sizes divide by few ranks, and batches for it.</summary>
internal static class TinyLlama
{
    public static LlamaConfig Config(bool tied = false, int hidden = 24, int ffn = 36, bool bias = false) => new()
    {
        ModelType = "llama",
        VocabularySize = 31,
        HiddenSize = hidden,
        IntermediateSize = ffn,
        LayerCount = 2,
        HeadCount = 3,
        KeyValueHeadCount = 1,
        HeadDim = 4,
        MaxPositions = 64,
        TiedEmbeddings = tied,
        QueryKeyValueBias = bias,
    };

    public static Llama Create(CpuDevice device, LlamaConfig? config = null)
    {
        Llama model = ModelLoader.Create(device, config ?? Config(), 5);
        // Weights large enough that every layer shows in the logits.
        ulong site = 100;
        foreach (var weight in model.Weights.Where(w => w.Value.Shape.Rank == 2))
        {
            var values = new float[weight.Value.Shape.Count];
            new SeededRandom(5, site++).FillNormal(values, 0.2f);
            weight.Value.WriteFloats(values);
        }
        return model;
    }

    public static TokenBatch Batch(params int[][] sequences) => Batch([.. sequences.Select(s => new TokenExample(s, s))]);

    public static TokenBatch Batch(TokenExample[] examples)
    {
        var batch = new TokenBatch();
        batch.Fill(TokenDataset.From(examples), [.. Enumerable.Range(0, examples.Length)]);
        return batch;
    }

    public static TokenBatch Batch() => Batch([1, 7, 3, 30, 12, 4], [2, 9, 9, 5]);

    public static float[] Logits(CausalModel model, TokenBatch batch)
    {
        using var tape = new Tape(model.Device);
        return model.Logits(tape, batch).ToArray();
    }

    /// <summary>The mean loss, with its gradients added to those of the trained values.</summary>
    public static float Loss(CausalModel model, TokenBatch batch, bool backward = false)
    {
        using var tape = new Tape(model.Device) { Recording = backward, Training = backward };
        Tensor loss = model.Loss(tape, batch, 1f / batch.Targets, out _);
        float value = loss.ToArray()[0];
        if (backward)
            tape.Backward(loss);
        return value;
    }

    /// <summary>Random values for everything trained.</summary>
    public static void Scramble(FineTuning tuned, float deviation = 0.1f)
    {
        ulong site = 0;
        foreach (Parameter parameter in tuned.Parameters.Parameters)
        {
            var values = new float[parameter.Value.Shape.Count];
            new SeededRandom(17, site++).FillNormal(values, deviation);
            parameter.Value.Upload<float>(values);
        }
    }

    public static float LargestDifference(float[] a, float[] b)
    {
        Assert.Equal(a.Length, b.Length);
        return a.Zip(b, (x, y) => float.IsNaN(x - y) ? float.PositiveInfinity : Math.Abs(x - y)).Max();
    }
}
