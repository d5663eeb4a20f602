using Marrow.Engine;
using Marrow.Engine.Devices;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Perf;

/// <summary>A model's shape with the rows that a step has.</summary>
/// <param name="Name">What --shape calls it.</param>
/// <param name="Config">The model.</param>
/// <param name="Rows">Packed rows of a step.</param>
/// <param name="Length">Tokens of a row.</param>
internal sealed record GpuShape(string Name, LlamaConfig Config, int Rows, int Length)
{
    private const int PatternValues = 1 << 20;

    public static readonly GpuShape[] All =
    [
        new("tiny", ConfigOf(64, 2, 4, 4, 172, 256), 2, 64),
        new("tinyllama", ConfigOf(2048, 22, 32, 4, 5632, 32000), 4, 2048),
        new("llama-7b", ConfigOf(4096, 32, 32, 32, 11008, 32000), 2, 2048),
    ];

    /// <summary>The shape of that name.</summary>
    /// <exception cref="MarrowException">PF002 there is none.</exception>
    public static GpuShape Of(string name) => All.FirstOrDefault(s => s.Name == name)
        ?? throw new MarrowException("PF002", $"'{name}' is no shape to measure; known are {string.Join(", ", All.Select(s => s.Name))}. [PF002]");

    /// <summary>A model of this shape with bf16 matrices: random values repeated, since only their size costs time.</summary>
    public Llama Build(Device device)
    {
        var pattern = new float[PatternValues];
        new SeededRandom(1, 0).FillNormal(pattern, 0.02f);
        var halves = new BFloat16[PatternValues];
        BFloat16.Narrow(pattern, halves);
        var ones = new float[Config.HiddenSize];
        Array.Fill(ones, 1f);
        return new Llama(device, Config, (name, shape) =>
        {
            if (shape.Rank < 2)
                return Tensor.Of(device, shape, ones.AsSpan(0, (int)shape.Count));
            var tensor = new Tensor(device, shape, DType.BF16);
            for (long first = 0; first < shape.Count; first += PatternValues)
                tensor.Upload<BFloat16>(halves.AsSpan(0, (int)Math.Min(PatternValues, shape.Count - first)), first);
            return tensor;
        });
    }

    private static LlamaConfig ConfigOf(int hidden, int layers, int heads, int keyValueHeads, int intermediate, int vocabulary) => new()
    {
        ModelType = "llama", VocabularySize = vocabulary, HiddenSize = hidden, IntermediateSize = intermediate, LayerCount = layers, HeadCount = heads,
        KeyValueHeadCount = keyValueHeads, HeadDim = hidden / heads, MaxPositions = 4096, RmsNormEps = 1e-5,
    };
}
