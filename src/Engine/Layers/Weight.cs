namespace Marrow.Engine.Layers;

/// <summary>A named tensor of a model. Whoever trains it replaces <see cref="Value"/> by a parameter.</summary>
public sealed class Weight : IDisposable
{
    /// <summary>A weight called <paramref name="name"/> as in the Hugging Face file ("model.layers.0.self_attn.q_proj.weight").</summary>
    public Weight(string name, Tensor value)
    {
        Name = name;
        Value = value;
    }

    /// <summary>Its name in a Hugging Face file.</summary>
    public string Name { get; }

    /// <summary>Its values.</summary>
    public Tensor Value { get; private set; }

    /// <summary>Puts another tensor of the same shape in its place and frees the old one.</summary>
    public void Replace(Tensor value)
    {
        if (value.Shape != Value.Shape)
            throw new ArgumentException($"{Name} is {Value}, not {value}", nameof(value));
        Value.Dispose();
        Value = value;
    }

    /// <inheritdoc/>
    public void Dispose() => Value.Dispose();
}
