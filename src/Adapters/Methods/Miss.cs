using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Engine;
using Marrow.Engine.Layers;

namespace Marrow.Adapters.Methods;

/// <summary>MiSS in its usual form ("balance"), first called Bone, then DiSHA: W'[o, i] = W[o, i] + D[i mod r, o] (spec/adapters.md §2.1).</summary>
public record MissConfig : AdapterConfig
{
    internal static AdapterMethod Entry { get; } = new("miss", MissKeys.PeftType, Read) { Aliases = ["bone"], FormerNames = MissKeys.FormerNames };

    /// <inheritdoc/>
    public override int R { get; init; } = 64;

    /// <summary>The probability with which inputs of the block sum are dropped in training.</summary>
    public double MissDropout { get; init; }

    /// <inheritdoc/>
    public override AdapterMethod Method => Entry;

    /// <inheritdoc/>
    public override void Check()
    {
        base.Check();
        RequireProbability("miss_dropout", MissDropout);
        Require(InitWeights != AdapterInit.Gaussian, "init_weights gaussian is LoRA's; MiSS knows true and false");
    }

    /// <inheritdoc/>
    public override LayerAdapter CreateAdapter(LinearLayer layer, int site) => new MissLayer(layer, R, (float)MissDropout, site, InitWeights);

    /// <inheritdoc/>
    public override void Write(JsonObject fields)
    {
        fields["r"] = R;
        fields["init_weights"] = InitWeights != AdapterInit.Random;
        fields["mini_r"] = 1;
        fields["miss_dropout"] = PeftJson.Real(MissDropout);
    }

    private static MissConfig? Read(PeftDocument document) => !MissKeys.Is(document, MissMode.Balance) ? null : new MissConfig
    {
        R = document.Rank("r", 64),
        MissDropout = document.Json.Number("miss_dropout") ?? 0,
        InitWeights = document.Json.Raw("init_weights") == "false" ? AdapterInit.Random : AdapterInit.Default,
    };
}

internal sealed class MissLayer(LinearLayer layer, int r, float dropout, int site, AdapterInit init) : LayerAdapter(layer)
{
    public override IReadOnlyList<AdapterTensor> Tensors { get; } =
    [
        new(MissKeys.Tensor, new Shape(r, layer.Outputs), init == AdapterInit.Random
            ? (values, random) => random.FillUniform(values, 1f / MathF.Sqrt(layer.Outputs)) : null),
    ];

    public override Tensor Forward(LinearLayer layer, Tensor x)
    {
        Tensor dropped = Ops.Dropout(x, dropout, (ulong)site);
        return ReferenceEquals(dropped, x) ? Ops.BoneLinear(x, layer.Weight.Value, Values[0], layer.Bias?.Value)
            : Ops.AddMatMul(layer.Base(x), Ops.BlockSum(dropped, r), Values[0], transposed: false);
    }

    public override WeightChange Change() => new TiledDelta(Doubles(0), r, Layer.Outputs);
}
