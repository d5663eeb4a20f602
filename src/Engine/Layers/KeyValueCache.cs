using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Layers;

/// <summary>Keys and values of the positions generated so far, one pair of tensors [capacity, KvHeads·d] for each layer.</summary>
public sealed class KeyValueCache : SequenceState
{
    private readonly Tensor[] _keys, _values;

    /// <summary>An empty cache of <paramref name="capacity"/> positions, <paramref name="width"/> = KvHeads·d, of the activations' type.</summary>
    public KeyValueCache(Device device, int layers, int capacity, int width, DType dtype = DType.F32)
    {
        Capacity = capacity;
        _keys = [.. Enumerable.Range(0, layers).Select(_ => new Tensor(device, new Shape(capacity, width), dtype))];
        _values = [.. Enumerable.Range(0, layers).Select(_ => new Tensor(device, new Shape(capacity, width), dtype))];
    }

    /// <summary>Positions that fit.</summary>
    public int Capacity { get; }

    /// <summary>The keys of a layer.</summary>
    public Tensor Keys(int layer) => _keys[layer];

    /// <summary>The values of a layer.</summary>
    public Tensor Values(int layer) => _values[layer];

    /// <summary>Copies a pass's new rows behind the held ones; <see cref="SequenceState.Advance"/> counts them once all layers have theirs.</summary>
    public void Store(int layer, Tensor keys, Tensor values)
    {
        if (Length + keys.Shape.Rows > Capacity)
            throw new MarrowException("E106", $"{Length} + {keys.Shape.Rows} positions do not fit a cache of {Capacity}. [E106]");
        long at = Length * (long)keys.Shape.Last;
        using Tensor k = _keys[layer].View(at, keys.Shape), v = _values[layer].View(at, values.Shape);
        k.CopyFrom(keys);
        v.CopyFrom(values);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach (Tensor tensor in _keys.Concat(_values))
            tensor.Dispose();
    }
}
