using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Models;

/// <summary>Brings models into memory: from files, or with random weights.</summary>
public static class ModelLoader
{
    private const int ChunkElements = 1 << 20;

    /// <summary>
    /// Loads a Hugging Face folder. <paramref name="matrices"/> is the type of the weight matrices in memory, F32 or BF16; null keeps
    /// BF16 where the file has it and takes F32 for everything else. Norms and biases are fp32.
    /// </summary>
    /// <exception cref="MarrowException">A tensor is missing, has another shape, or is left over.</exception>
    public static Llama Load(Device device, ModelFolder folder, DType? matrices = null) => Load(device, folder.Config, folder.Tensors, matrices);

    /// <summary>Loads a model of <paramref name="config"/> from any source with Hugging Face names.</summary>
    /// <exception cref="MarrowException">A tensor is missing, has another shape, or is left over.</exception>
    public static Llama Load(Device device, LlamaConfig config, ITensorSource source, DType? matrices = null)
    {
        var used = new HashSet<string>();
        var model = new Llama(device, config, (name, shape) =>
        {
            used.Add(name);
            return Read(device, source, name, shape, matrices);
        });
        string[] left = [.. source.Tensors.Keys.Where(n => !used.Contains(n) && !IsDerived(n, config))];
        if (left.Length == 0)
            return model;
        model.Dispose();
        throw new ModelFileException("MD001", source.Path, $"{left.Length} tensors belong to no part of a {config.ModelType} model, among them {string.Join(", ", left.Take(5))}; "
            + "is config.json the one of these weights?");
    }

    /// <summary>A model with random weights: N(0, 0.02²), norms multiplying by 1, biases 0, output projections scaled by 1/√(2L).</summary>
    public static Llama Create(Device device, LlamaConfig config, ulong seed)
    {
        ulong site = 0;
        return new Llama(device, config, (name, shape) =>
        {
            var values = new float[shape.Count];
            var random = new Training.SeededRandom(seed, site++);
            bool output = name.EndsWith("o_proj.weight", StringComparison.Ordinal) || name.EndsWith("down_proj.weight", StringComparison.Ordinal);
            if (shape.Rank == 2)
                random.FillNormal(values, 0.02f / (output ? MathF.Sqrt(2 * config.LayerCount) : 1f));
            else if (name.EndsWith("norm.weight", StringComparison.Ordinal))
                values.AsSpan().Fill(1f - config.NormOffset);
            return Tensor.Of(device, shape, values);
        });
    }

    /// <summary>Whether a file may hold this tensor and no part of the model reads it: old ones carry the rotary table, some tied ones a second copy of the embedding.</summary>
    public static bool IsDerived(string name, LlamaConfig config) =>
        name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal) || (config.TiedEmbeddings && name == "lm_head.weight");

    private static Tensor Read(Device device, ITensorSource source, string name, Shape shape, DType? matrices)
    {
        Span<long> dimensions = stackalloc long[shape.Rank];
        for (int i = 0; i < shape.Rank; i++)
            dimensions[i] = shape[i];
        TensorInfo info = source.Require(name, dimensions);
        DType type = shape.Rank < 2 ? DType.F32 : matrices ?? (info.DType == DType.BF16 ? DType.BF16 : DType.F32);
        var tensor = new Tensor(device, shape, type);
        try
        {
            var floats = new float[type == DType.F32 ? Math.Min(shape.Count, ChunkElements) : 0];
            var halves = new BFloat16[type == DType.BF16 ? Math.Min(shape.Count, ChunkElements) : 0];
            for (long at = 0; at < shape.Count; at += ChunkElements)
            {
                int n = (int)Math.Min(ChunkElements, shape.Count - at);
                if (type == DType.F32)
                {
                    source.ReadFloats(name, at, floats.AsSpan(0, n));
                    tensor.Upload<float>(floats.AsSpan(0, n), at);
                }
                else
                {
                    source.ReadBFloat16s(name, at, halves.AsSpan(0, n));
                    tensor.Upload<BFloat16>(halves.AsSpan(0, n), at);
                }
            }
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }
}
