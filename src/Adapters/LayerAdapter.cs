using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Engine.Training;

namespace Marrow.Adapters;

/// <summary>One trainable tensor of an adapted layer.</summary>
/// <param name="Name">Its name in a PEFT file after the module path: "lora_A.weight", "miss_block".</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Fill">Sets its starting values; null leaves zeros.</param>
public sealed record AdapterTensor(string Name, Shape Shape, Action<float[], SeededRandom>? Fill);

/// <summary>What a method does to one linear layer: its trainable tensors, the forward in ops, and the same change of the weight itself.</summary>
public abstract class LayerAdapter : ILinearAdapter, IDisposable
{
    private Tensor[] _values = [];

    /// <summary>An adapter of <paramref name="layer"/>.</summary>
    protected LayerAdapter(LinearLayer layer) => Layer = layer;

    /// <summary>The layer.</summary>
    public LinearLayer Layer { get; }

    /// <summary>Its trainable tensors.</summary>
    public abstract IReadOnlyList<AdapterTensor> Tensors { get; }

    /// <summary>The trainable values, in the order of <see cref="Tensors"/>.</summary>
    public IReadOnlyList<Tensor> Values => _values;

    /// <inheritdoc/>
    public abstract Tensor Forward(LinearLayer layer, Tensor x);

    /// <summary>The change of the layer's weight with the present values.</summary>
    public abstract WeightChange Change();

    /// <summary>Gives the adapter its values, in the order of <see cref="Tensors"/>.</summary>
    internal virtual void Bind(Tensor[] values) => _values = values;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the adapter keeps on the device beside its values.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>A value on the host, in double precision.</summary>
    protected double[] Doubles(int tensor) => Array.ConvertAll(_values[tensor].ToArray(), v => (double)v);
}
