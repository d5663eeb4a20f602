using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Formats;

namespace Marrow.Adapters.Methods;

/// <summary>
/// Bat with PEFT's tying, one block for each block of outputs: W'[a, c] = W[a, c]·(I + B[a]) + B[a] (spec/adapters.md §2.3).
/// It has no dropout; the setting is kept for the file only, as in PEFT.
/// </summary>
public sealed record BatConfig : MissConfig
{
    internal static new AdapterMethod Entry { get; } = new("bat", MissKeys.PeftType, Read) { FormerNames = MissKeys.FormerNames };

    /// <inheritdoc/>
    public override AdapterMethod Method => Entry;

    /// <inheritdoc/>
    public override LayerAdapter CreateAdapter(LinearLayer layer, int site) => layer.Inputs % R == 0 && layer.Outputs % R == 0
        ? new BatLayer(layer, R, InitWeights)
        : throw new MarrowException("AD005", $"{layer.Path}: its weight {layer.Weight.Value} does not divide into blocks of [{R},{R}]; "
            + "choose an r that divides inputs and outputs of every adapted layer, leave this one out, or use miss. [AD005]");

    /// <inheritdoc/>
    public override void Write(JsonObject fields)
    {
        base.Write(fields);
        fields["init_weights"] = "bat";
    }

    private static BatConfig? Read(PeftDocument document) => !MissKeys.Is(document, MissMode.Bat) ? null : new BatConfig
    {
        R = document.Rank("r", 64),
        MissDropout = document.Json.Number("miss_dropout") ?? 0,
    };
}

internal sealed class BatLayer(LinearLayer layer, int r, AdapterInit init) : LayerAdapter(layer)
{
    public override IReadOnlyList<AdapterTensor> Tensors { get; } =
    [
        new(MissKeys.Tensor, new Shape(layer.Outputs / r, r, r), init == AdapterInit.Random
            ? (values, random) => random.FillUniform(values, 1f / r) : null),
    ];

    public override Tensor Forward(LinearLayer layer, Tensor x) => Ops.BatLinear(x, layer.Weight.Value, Values[0], layer.Bias?.Value);

    public override WeightChange Change() => new BlockChange(Doubles(0), r, byInput: false);
}
