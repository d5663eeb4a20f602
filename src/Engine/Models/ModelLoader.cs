using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;

namespace Marrow.Engine.Models;

/// <summary>Brings models into memory: from files, or with random weights.</summary>
public static class ModelLoader
{
    private const int ChunkElements = 1 << 20;

    /// <summary>
    /// Loads a model's files. <paramref name="matrices"/> is the type of the weight matrices in memory, F32 or BF16; null keeps
    /// BF16 where the file has it and takes F32 for everything else. Vectors are fp32.
    /// </summary>
    /// <exception cref="MarrowException">A tensor is missing, has another shape, or is left over.</exception>
    public static CausalModel Load(Device device, ModelFolder folder, DType? matrices = null) => Load(device, folder.Config, folder.Tensors, matrices);

    /// <summary>Loads a model of <paramref name="config"/> from any source with the names that it asks for.</summary>
    /// <exception cref="MarrowException">A tensor is missing, has another shape, or is left over.</exception>
    public static CausalModel Load(Device device, ModelConfig config, ITensorSource source, DType? matrices = null)
    {
        var used = new HashSet<string>();
        CausalModel model = Build(device, config, (name, shape) =>
        {
            used.Add(name);
            return Read(device, source, config, name, shape, matrices);
        });
        string[] left = [.. source.Tensors.Keys.Where(n => !used.Contains(n) && !config.IsDerived(n))];
        if (left.Length == 0)
            return model;
        model.Dispose();
        throw new ModelFileException("MD001", source.Path, $"{left.Length} tensors belong to no part of a {config.ModelType} model, among them {string.Join(", ", left.Take(5).Select(n => Echo.Name(n)))}; "
            + "does the configuration belong to these weights?");
    }

    /// <summary>A model of the configuration's family; <paramref name="weight"/> supplies the tensor of each name and shape. A new family adds its line here.</summary>
    public static CausalModel Build(Device device, ModelConfig config, Func<string, Shape, Tensor> weight) => config switch
    {
        LlamaConfig llama => new Llama(device, llama, weight),
        RwkvConfig { Version: 7 } rwkv => new Rwkv7(device, rwkv, weight),
        RwkvConfig rwkv => new Rwkv6(device, rwkv, weight),
        _ => throw new ArgumentException($"no model of {config.GetType().Name}", nameof(config)),
    };

    /// <summary>A fresh model: matrices random, vectors as its family starts them. Equal seeds give equal values.</summary>
    public static CausalModel Create(Device device, ModelConfig config, ulong seed)
    {
        ulong site = 0;
        return Build(device, config, (name, shape) =>
        {
            var values = new float[shape.Count];
            var random = new Training.SeededRandom(seed, site++);
            if (config is RwkvConfig rwkv)
                RwkvStart.Fill(rwkv, name, shape, values, random);
            else
                Llama.Fill((LlamaConfig)config, name, shape, values, random);
            return Tensor.Of(device, shape, values);
        });
    }

    /// <summary>A fresh model of the Llama family.</summary>
    public static Llama Create(Device device, LlamaConfig config, ulong seed) => (Llama)Create(device, (ModelConfig)config, seed);

    private static Tensor Read(Device device, ITensorSource source, ModelConfig config, string name, Shape shape, DType? matrices)
    {
        Span<long> dimensions = stackalloc long[shape.Rank];
        Span<int> sizes = stackalloc int[shape.Rank];
        for (int i = 0; i < shape.Rank; i++)
            dimensions[i] = sizes[i] = shape[i];
        TensorInfo info = source.Require(name, dimensions);
        DType type = !config.IsMatrix(name, sizes) ? DType.F32 : matrices ?? (info.DType == DType.BF16 ? DType.BF16 : DType.F32);
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
