using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats.Rwkv;

namespace Marrow.Adapters.Tests;

/// <summary>A random model of each family, of the same sizes: hidden 24, inner size 36, vocabulary 31.</summary>
internal static class TinyModels
{
    public static string[] Families { get; } = ["llama", "rwkv7", "rwkv6"];

    public static RwkvConfig Rwkv(int version, bool states = false) => new()
    {
        ModelType = $"rwkv{version}", Version = version, VocabularySize = 31, HiddenSize = 24, IntermediateSize = 36, LayerCount = 2, HeadSize = 8,
        DecayRank = 5, RateRank = 6, ValueRank = 4, GateRank = 7, MixRank = 3, MaxPositions = int.MaxValue, HasInitialStates = states,
    };

    public static CausalModel Create(CpuDevice device, string family) => family == "llama" ? TinyLlama.Create(device) : Create(device, Rwkv(family == "rwkv7" ? 7 : 6));

    /// <summary>A model with larger weights than a fresh one, so that every layer shows in the logits.</summary>
    public static CausalModel Create(CpuDevice device, RwkvConfig config)
    {
        CausalModel model = ModelLoader.Create(device, config, 5);
        ulong site = 0;
        foreach (Weight weight in model.Weights)
        {
            float[] values = weight.Value.ToArray();
            var noise = new float[values.Length];
            new SeededRandom(11, site++).FillNormal(noise, weight.Value.Shape.Rank == 2 ? 0.2f : 0.15f);
            weight.Value.Upload<float>([.. values.Zip(noise, (v, n) => v + n)]);
        }
        return model;
    }
}
