using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Formats;

namespace Marrow.Adapters.Methods;

/// <summary>
/// Bat with RWKV-PEFT's tying, one block for each block of inputs: W'[a, b] = W[a, b]·(I + B[b]) + B[b] (spec/adapters.md §2.4). W' is never made:
/// with u the blocks of x times Bᵀ, y = (x + u)·Wᵀ + Σ u repeated over the outputs. For a square weight its tensor has the shape of PEFT's Bat but
/// another meaning, so its folders carry a type that PEFT refuses.
/// </summary>
public sealed record BatRowConfig : AdapterConfig
{
    internal const string Tensor = "disha";

    internal static AdapterMethod Entry { get; } = new("bat_row", "BAT_ROW", Read) { IsOwn = true };

    /// <inheritdoc/>
    public override int R { get; init; } = 64;

    /// <inheritdoc/>
    public override AdapterMethod Method => Entry;

    /// <inheritdoc/>
    public override void Check()
    {
        base.Check();
        Require(InitWeights != AdapterInit.Gaussian, "init_weights gaussian is LoRA's; bat_row knows true and false");
    }

    /// <inheritdoc/>
    public override LayerAdapter CreateAdapter(LinearLayer layer, int site) => layer.Inputs % R == 0 && layer.Outputs % R == 0
        ? new BatRowLayer(layer, R, InitWeights)
        : throw new MarrowException("AD005", $"{layer.Path}: its weight {layer.Weight.Value} does not divide into blocks of [{R},{R}]; "
            + "choose an r that divides inputs and outputs of every adapted layer, leave this one out, or use miss. [AD005]");

    /// <inheritdoc/>
    public override void Write(JsonObject fields)
    {
        fields["r"] = R;
        fields["init_weights"] = InitWeights != AdapterInit.Random;
    }

    private static BatRowConfig? Read(PeftDocument document) => document.PeftType != Entry.PeftType ? null : new BatRowConfig
    {
        R = document.Rank("r", 64),
        InitWeights = document.Json.Raw("init_weights") == "false" ? AdapterInit.Random : AdapterInit.Default,
    };
}

internal sealed class BatRowLayer(LinearLayer layer, int r, AdapterInit init) : LayerAdapter(layer)
{
    public override IReadOnlyList<AdapterTensor> Tensors { get; } =
    [
        new(BatRowConfig.Tensor, new Shape(layer.Inputs / r, r, r), init == AdapterInit.Random
            ? (values, random) => random.FillUniform(values, 1f / r) : null),
    ];

    public override Tensor Forward(LinearLayer layer, Tensor x)
    {
        Tensor u = Ops.BlockProduct(x, Values[0]);
        return Ops.TileAdd(layer.Base(Ops.Add(x, u)), Ops.BlockSum(u, r));
    }

    public override WeightChange Change() => new BlockChange(Doubles(0), r, byInput: true);
}
