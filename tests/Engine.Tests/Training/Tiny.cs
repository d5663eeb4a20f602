using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;

namespace Marrow.Engine.Tests.Training;

/// <summary>Small models and data.</summary>
internal static class Tiny
{
    public const int Vocabulary = 61;

    public static LlamaConfig Config { get; } = new()
    {
        ModelType = "llama", VocabularySize = Vocabulary, HiddenSize = 32, IntermediateSize = 48, LayerCount = 2, HeadCount = 4, KeyValueHeadCount = 2,
        HeadDim = 8, MaxPositions = 256,
    };

    /// <summary>Makes every weight of a model trainable.</summary>
    public static ParameterSet TrainAll(CausalModel model, Func<Weight, bool>? which = null)
    {
        Weight[] weights = [.. model.Weights.Where(w => which?.Invoke(w) ?? true)];
        var set = new ParameterSet(model.Device, weights.Select(w => (w.Name, w.Value.Shape)));
        foreach (Weight weight in weights)
        {
            set[weight.Name].Value.Upload<float>(weight.Value.ToArray());
            weight.Replace(set[weight.Name].Value);
        }
        return set;
    }

    /// <summary>A model with larger weights than a fresh one, so that every part matters.</summary>
    public static Llama Model(Device device, LlamaConfig? config = null)
    {
        Llama model = ModelLoader.Create(device, config ?? Config, 5);
        ulong site = 0;
        foreach (Weight weight in model.Weights)
        {
            float[] values = weight.Value.ToArray();
            var noise = new float[values.Length];
            new SeededRandom(11, site++).FillNormal(noise, weight.Value.Shape.Rank == 2 ? 0.15f : 0.1f);
            for (int i = 0; i < values.Length; i++)
                values[i] += noise[i];
            weight.Value.Upload<float>(values);
        }
        return model;
    }

    /// <summary>Random examples of <paramref name="shortest"/> to <paramref name="longest"/> tokens whose first third is masked.</summary>
    public static TokenDataset Data(int count, int shortest = 3, int longest = 20, ulong seed = 1)
    {
        var random = new SeededRandom(seed, 77);
        return TokenDataset.From(Enumerable.Range(0, count).Select(_ =>
        {
            int[] ids = new int[shortest + (int)(random.Next() % (ulong)(longest - shortest + 1))];
            for (int i = 0; i < ids.Length; i++)
                ids[i] = (int)(random.Next() % Vocabulary);
            return new TokenExample(ids, [.. ids.Select((id, i) => i < ids.Length / 3 ? TokenExample.Ignore : id)]);
        }));
    }

    public static TokenBatch Batch(TokenDataset data, params ReadOnlySpan<int> examples)
    {
        var batch = new TokenBatch();
        batch.Fill(data, examples);
        return batch;
    }

    /// <summary>|a − b|₂ / |a − start|₂: a difference relative to how far training went.</summary>
    public static double RelativeDifference(float[] a, float[] b, float[] start)
    {
        double difference = 0, way = 0;
        for (int i = 0; i < a.Length; i++)
        {
            difference += Math.Pow((double)a[i] - b[i], 2);
            way += Math.Pow((double)a[i] - start[i], 2);
        }
        return Math.Sqrt(difference / way);
    }
}
