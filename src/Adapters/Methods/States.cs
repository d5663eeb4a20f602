using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Engine.Layers;

namespace Marrow.Adapters.Methods;

/// <summary>
/// State tuning: the only trained values are those that the recurrent layers start every sequence from, [H, n, n] fp32 each, at first what the model
/// has, or zeros (spec/architectures.md §3.6). It costs nothing at run time. Its folders carry a type that PEFT refuses.
/// </summary>
public sealed record StateConfig : AdapterConfig
{
    internal static AdapterMethod Entry { get; } = new("state", "RWKV_STATE", document => document.PeftType == "RWKV_STATE" ? new StateConfig() : null) { IsOwn = true };

    /// <summary>Settings of state tuning.</summary>
    public StateConfig() => TrainStates = true;

    /// <summary>Nothing: a state has the shape that its layer gives it.</summary>
    public override int R { get; init; }

    /// <inheritdoc/>
    public override bool AdaptsLayers => false;

    /// <inheritdoc/>
    public override AdapterMethod Method => Entry;

    /// <inheritdoc/>
    public override void Check() => Require(InitWeights == AdapterInit.Default, "state has no init_weights; states start at the model's own or at zero");

    /// <inheritdoc/>
    public override LayerAdapter CreateAdapter(LinearLayer layer, int site) => throw new InvalidOperationException("state tuning adapts no linear layer");

    /// <inheritdoc/>
    public override void Write(JsonObject fields)
    {
    }
}
