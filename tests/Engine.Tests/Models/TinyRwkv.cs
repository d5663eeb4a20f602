using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Training;
using Marrow.Engine.Training;
using Marrow.Formats.Rwkv;

namespace Marrow.Engine.Tests.Models;

/// <summary>Small RWKV models in which every parameter matters.</summary>
internal static class TinyRwkv
{
    public static RwkvConfig Config(int version, int headSize = 8, int layers = 3) => new()
    {
        ModelType = $"rwkv{version}", Version = version, VocabularySize = Tiny.Vocabulary, HiddenSize = 3 * headSize, IntermediateSize = 40, LayerCount = layers, HeadSize = headSize,
        DecayRank = 5, RateRank = 6, ValueRank = 4, GateRank = 7, MixRank = 3, MaxPositions = int.MaxValue, HasInitialStates = true,
    };

    /// <summary>A model with larger weights than a fresh one.</summary>
    public static CausalModel Model(Device device, int version) => Model(device, Config(version));

    /// <summary>A model with larger weights than a fresh one.</summary>
    public static CausalModel Model(Device device, RwkvConfig config)
    {
        CausalModel model = ModelLoader.Create(device, config, 5);
        ulong site = 0;
        foreach (Weight weight in model.Weights)
        {
            float[] values = weight.Value.ToArray();
            var noise = new float[values.Length];
            new SeededRandom(11, site++).FillNormal(noise, weight.Value.Shape.Rank == 2 ? 0.2f : 0.15f);
            for (int i = 0; i < values.Length; i++)
                values[i] += noise[i];
            weight.Value.Upload<float>(values);
        }
        return model;
    }
}
