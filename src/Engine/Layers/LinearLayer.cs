namespace Marrow.Engine.Layers;

/// <summary>What an adapter does to a linear layer.</summary>
public interface ILinearAdapter
{
    /// <summary>The adapted layer's output. x: [N, in] → [N, out].</summary>
    Tensor Forward(LinearLayer layer, Tensor x);
}

/// <summary>y = x·Wᵀ + b, or what the attached adapter makes of it.</summary>
public sealed class LinearLayer
{
    /// <summary>A layer at module path <paramref name="path"/> ("model.layers.0.self_attn.q_proj").</summary>
    public LinearLayer(string path, Weight weight, Weight? bias = null)
    {
        Path = path;
        Weight = weight;
        Bias = bias;
    }

    /// <summary>The module path in the Hugging Face model, which adapters' target patterns match.</summary>
    public string Path { get; }

    /// <summary>[out, in], fp32, or frozen in bf16 or quantised blocks.</summary>
    public Weight Weight { get; }

    /// <summary>[out] fp32, or null.</summary>
    public Weight? Bias { get; }

    /// <summary>Channels in.</summary>
    public int Inputs => Weight.Value.Shape.Last;

    /// <summary>Channels out.</summary>
    public int Outputs => Weight.Value.Shape.Rows;

    /// <summary>The adapter, where one is attached.</summary>
    public ILinearAdapter? Adapter { get; set; }

    /// <summary>The output. x: [N, in] → [N, out].</summary>
    public Tensor Forward(Tensor x) => Adapter is null ? Base(x) : Adapter.Forward(this, x);

    /// <summary>The output without any adapter.</summary>
    public Tensor Base(Tensor x) => Ops.Linear(x, Weight.Value, Bias?.Value);
}
