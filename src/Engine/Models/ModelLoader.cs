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
    /// Loads a model's files. <paramref name="matrices"/> is the type of the weight matrices in memory: F32, BF16, or a block type that the linear layers
    /// are quantised to; null keeps BF16 and quantised blocks where the file has them and takes F32 for everything else. Vectors are fp32.
    /// <see cref="WeightTypes"/> has the rule for each weight.
    /// </summary>
    /// <exception cref="MarrowException">A tensor is missing, has another shape, or is left over.</exception>
    public static CausalModel Load(Device device, ModelFolder folder, DType? matrices = null) => Load(device, folder.Config, folder.Tensors, matrices);

    /// <summary>Loads a model of <paramref name="config"/> from any source with the names that it asks for.</summary>
    /// <exception cref="MarrowException">A tensor is missing, has another shape, or is left over.</exception>
    public static CausalModel Load(Device device, ModelConfig config, ITensorSource source, DType? matrices = null)
    {
        var used = new HashSet<string>();
        List<Tensor> read = [];
        CausalModel model;
        try
        {
            model = Build(device, config, (name, shape) =>
            {
                used.Add(name);
                read.Add(Read(device, source, config, name, shape, matrices));
                return read[^1];
            });
        }
        catch
        {
            // There is no model yet that would own them.
            foreach (Tensor tensor in read)
                tensor.Dispose();
            throw;
        }
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

    /// <summary>A fresh model: matrices random, vectors as its family starts them, stored as if loaded from fp32. Equal seeds give equal values.</summary>
    public static CausalModel Create(Device device, ModelConfig config, ulong seed, DType? matrices = null)
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
            var tensor = new Tensor(device, shape, WeightTypes.InMemory(config, name, shape, DType.F32, matrices));
            Store(values, tensor, 0, name, "a fresh model");
            return tensor;
        });
    }

    /// <summary>A fresh model of the Llama family.</summary>
    public static Llama Create(Device device, LlamaConfig config, ulong seed) => (Llama)Create(device, (ModelConfig)config, seed);

    // Values are read a piece at a time, so that a large matrix is never on the heap whole; pieces are whole blocks of every type.
    private static Tensor Read(Device device, ITensorSource source, ModelConfig config, string name, Shape shape, DType? matrices)
    {
        Span<long> dimensions = stackalloc long[shape.Rank];
        for (int i = 0; i < shape.Rank; i++)
            dimensions[i] = shape[i];
        TensorInfo info = source.Require(name, dimensions);
        var tensor = new Tensor(device, shape, WeightTypes.InMemory(config, name, shape, info.DType, matrices));
        try
        {
            int most = (int)Math.Min(shape.Count, ChunkElements);
            bool copied = tensor.DType == info.DType;
            var bytes = new byte[copied ? info.DType.Bytes(most) : 0];
            var floats = new float[copied ? 0 : most];
            for (long at = 0; at < shape.Count; at += ChunkElements)
            {
                int n = (int)Math.Min(ChunkElements, shape.Count - at);
                if (copied)
                {
                    Span<byte> stored = bytes.AsSpan(0, (int)info.DType.Bytes(n));
                    source.Read(name, info.DType.Bytes(at), stored);
                    tensor.Upload<byte>(stored, at);
                }
                else
                {
                    source.ReadFloats(name, at, floats.AsSpan(0, n));
                    Store(floats.AsMemory(0, n), tensor, at, name, source.Path);
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

    private static void Store(ReadOnlyMemory<float> values, Tensor tensor, long at, string name, string path)
    {
        if (tensor.DType.IsBlock())
            BlockQuantisation.Upload(values, tensor, at, name, path);
        else
            tensor.WriteFloats(values.Span, at);
    }
}
