namespace Marrow.Engine.Layers;

/// <summary>The state that a recurrent layer starts every sequence from: zeros, what the model's file holds, or what is being trained.</summary>
public sealed class InitialState
{
    /// <summary>A slot called <paramref name="name"/> ("blocks.0.att.time_state") of <paramref name="shape"/> [H, n, n]: head, value, key.</summary>
    public InitialState(string name, Shape shape, Weight? stored)
    {
        Name = name;
        Shape = shape;
        Stored = stored;
    }

    /// <summary>Its name in RWKV's files.</summary>
    public string Name { get; }

    /// <summary>[H, n, n]: head, value channel, key channel (spec/architectures.md §3.4).</summary>
    public Shape Shape { get; }

    /// <summary>The model's own; null where its file has none, which means zeros.</summary>
    public Weight? Stored { get; internal set; }

    /// <summary>What takes the place of <see cref="Stored"/>: the values of state tuning, fp32.</summary>
    public Tensor? Trained { get; set; }

    /// <summary>What sequences start from; null for zeros.</summary>
    public Tensor? Value => Trained ?? Stored?.Value;
}
