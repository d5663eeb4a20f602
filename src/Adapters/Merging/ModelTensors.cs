using System.Runtime.InteropServices;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Merging;

/// <summary>
/// The weights of a model in memory, in the types that they have there, and the types that a file is to hold them in: those of <c>source</c> (where the model came
/// from), or of the memory where there is none. What is quantised in memory, and so was not changed, is what is stored there, of whatever type. It owns neither.
/// </summary>
internal sealed class ModelTensors : ITensorSource
{
    private readonly Dictionary<string, Weight> _weights;
    private readonly ITensorSource? _source;

    public ModelTensors(CausalModel model, ModelFolder? source)
    {
        Path = source?.Path ?? model.ModelType;
        _source = source?.Tensors;
        _weights = model.Weights.Where(w => !IsKept(w)).ToDictionary(w => w.Name);
        var tensors = new Dictionary<string, TensorInfo>();
        foreach (Weight weight in model.Weights)
            tensors.Add(weight.Name, IsKept(weight) ? _source!.Tensors[weight.Name] : Described(weight));
        // Other programs ask for these although nothing reads them: RWKV-7's first block has no value residual, but its newest files have its tensors.
        if (model is Rwkv)
            foreach (TensorInfo tensor in _source?.Tensors.Values.Where(t => model.Config.IsDerived(t.Name)) ?? [])
                tensors.Add(tensor.Name, tensor);
        Tensors = tensors;
        StoredTypes = _weights.Values.ToDictionary(w => w.Name, StoredType);
    }

    /// <summary>The types that changed and unchanged weights are stored in where none is named.</summary>
    public IReadOnlyDictionary<string, DType> StoredTypes { get; }

    public string Path { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        TensorInfo info = this.Require(name);
        if (!_weights.TryGetValue(name, out Weight? weight))
        {
            _source!.Read(name, byteOffset, destination);
            return;
        }
        int size = info.DType.Bits() / 8, count = destination.Length / size;
        if (byteOffset % size != 0 || destination.Length % size != 0)
            throw new ArgumentException($"{name} is read in whole elements of {size} bytes", nameof(byteOffset));
        if (info.DType == DType.F32)
        {
            weight.Value.ReadFloats(MemoryMarshal.Cast<byte, float>(destination), byteOffset / size);
            return;
        }
        var values = new float[count];
        weight.Value.ReadFloats(values, byteOffset / size);
        BFloat16.Narrow(values, MemoryMarshal.Cast<byte, BFloat16>(destination));
    }

    public void Dispose()
    {
    }

    // A weight that an adapter changed is fp32 in memory.
    private bool IsKept(Weight weight) => weight.Value.DType.IsBlock() && _source?.Tensors.GetValueOrDefault(weight.Name)?.Count == weight.Value.Shape.Count;

    private static TensorInfo Described(Weight weight)
    {
        DType type = weight.Value.DType == DType.BF16 ? DType.BF16 : DType.F32;
        return new TensorInfo(weight.Name, type, TensorFiles.Dimensions(weight.Value.Shape), type.Bytes(weight.Value.Shape.Count));
    }

    // What was quantised and changed is stored as fp32. An untied head is stored as the embedding that it was copied from, a state that the source does not have as it is trained.
    private DType StoredType(Weight weight)
    {
        DType type = _source?.Tensors.GetValueOrDefault(weight.Name)?.DType
            ?? (_source is not null && weight.Name == "lm_head.weight" ? _source.Require("model.embed_tokens.weight").DType : Tensors[weight.Name].DType);
        return type.IsBlock() ? DType.F32 : type;
    }
}
