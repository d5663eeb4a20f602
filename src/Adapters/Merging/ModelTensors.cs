using Marrow.Engine.Layers;
using Marrow.Engine;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Adapters.Merging;

/// <summary>
/// The weights of a model in memory as a file would hold them: each in the type that it has in <c>source</c> (where the model came from), or in memory
/// where there is none, or (<c>precise</c>) all as fp32, to be rounded once by whoever writes them. What is quantised in memory, and so was not changed, is
/// what is stored there, of whatever type. It owns neither.
/// </summary>
internal sealed class ModelTensors : ITensorSource
{
    private readonly Dictionary<string, Weight> _weights;
    private readonly ITensorSource? _unread, _source;

    public ModelTensors(CausalModel model, ModelFolder? source, bool precise)
    {
        Path = source?.Path ?? model.ModelType;
        _source = source?.Tensors;
        _weights = model.Weights.ToDictionary(w => w.Name);
        var tensors = new Dictionary<string, TensorInfo>();
        foreach (Weight weight in model.Weights)
            Add(weight.Name, IsKept(weight) ? _source!.Tensors[weight.Name].DType : precise ? DType.F32 : Plain(StoredType(weight, source)), TensorFiles.Dimensions(weight.Value.Shape));
        // Other programs ask for these although nothing reads them: RWKV-7's first block has no value residual, but its newest files have its tensors.
        _unread = model is Rwkv ? source?.Tensors : null;
        foreach (TensorInfo tensor in _unread?.Tensors.Values.Where(t => model.Config.IsDerived(t.Name)) ?? [])
            Add(tensor.Name, precise ? DType.F32 : Plain(tensor.DType), tensor.Shape);
        Tensors = tensors;

        void Add(string name, DType type, IReadOnlyList<long> shape) => tensors.Add(name, new TensorInfo(name, type, shape, type.Bytes(shape.Aggregate(1L, (a, b) => a * b))));
    }

    public string Path { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        TensorInfo info = this.Require(name);
        if (_weights.TryGetValue(name, out Weight? weight) && IsKept(weight))
        {
            _source!.Read(name, byteOffset, destination);
            return;
        }
        int size = info.DType.Bits() / 8, count = destination.Length / size;
        if (byteOffset % size != 0 || destination.Length % size != 0)
            throw new ArgumentException($"{name} is read in whole elements of {size} bytes", nameof(byteOffset));
        var values = new float[count];
        if (weight is not null)
            weight.Value.ReadFloats(values, byteOffset / size);
        else
            _unread!.ReadFloats(name, byteOffset / size, values);
        using var stored = new MemoryStream(destination.Length);
        TensorToWrite.FromFloats(name, [count], values, info.DType).Write(stored);
        stored.GetBuffer().AsSpan(0, destination.Length).CopyTo(destination);
    }

    public void Dispose()
    {
    }

    // A weight that an adapter changed is fp32 in memory.
    private bool IsKept(Weight weight) => weight.Value.DType.IsBlock() && _source?.Tensors.GetValueOrDefault(weight.Name)?.Count == weight.Value.Shape.Count;

    // What was quantised and changed is told in fp32, exactly.
    private static DType Plain(DType type) => type.IsBlock() ? DType.F32 : type;

    private static DType StoredType(Weight weight, ModelFolder? source)
    {
        if (source is null)
            return weight.Value.DType;
        if (source.Tensors.Tensors.TryGetValue(weight.Name, out TensorInfo? info))
            return info.DType;
        // An untied head is stored as the embedding that it was copied from, a state that the source does not have as it is trained.
        return weight.Name == "lm_head.weight" ? source.Tensors.Require("model.embed_tokens.weight").DType : weight.Value.DType;
    }
}
