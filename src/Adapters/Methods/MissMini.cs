using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Formats;

namespace Marrow.Adapters.Methods;

/// <summary>MiSS "mini": W'[o, i] = W[o, i] + D[i mod r, o mod mini_r], one small block for a whole layer (spec/adapters.md §2.2).</summary>
public sealed record MissMiniConfig : MissConfig
{
    internal static new AdapterMethod Entry { get; } = new("mini", MissKeys.PeftType, Read) { FormerNames = MissKeys.FormerNames };

    /// <summary>Columns of the block; divides every adapted layer's outputs.</summary>
    public int MiniR { get; init; } = 1;

    /// <inheritdoc/>
    public override AdapterMethod Method => Entry;

    /// <inheritdoc/>
    public override void Check()
    {
        base.Check();
        Require(MiniR > 0, $"mini_r is {MiniR}, but must be above 0");
    }

    /// <inheritdoc/>
    public override LayerAdapter CreateAdapter(LinearLayer layer, int site) => layer.Outputs % MiniR == 0
        ? new MissMiniLayer(layer, R, MiniR, (float)MissDropout, site, InitWeights)
        : throw new MarrowException("AD005", $"{layer.Path}: its {layer.Outputs} outputs ({layer.Weight.Value}) do not divide by mini_r {MiniR}; "
            + "choose a mini_r that divides the outputs of every adapted layer, or leave this one out. [AD005]");

    /// <inheritdoc/>
    public override void Write(JsonObject fields)
    {
        base.Write(fields);
        fields["init_weights"] = "mini";
        fields["mini_r"] = MiniR;
    }

    private static MissMiniConfig? Read(PeftDocument document) => !MissKeys.Is(document, MissMode.Mini) ? null : new MissMiniConfig
    {
        R = document.Rank("r", 64),
        MiniR = document.Rank("mini_r", 1),
        MissDropout = document.Json.Number("miss_dropout") ?? 0,
    };
}

internal sealed class MissMiniLayer(LinearLayer layer, int r, int miniR, float dropout, int site, AdapterInit init) : LayerAdapter(layer)
{
    public override IReadOnlyList<AdapterTensor> Tensors { get; } =
    [
        new(MissKeys.Tensor, new Shape(r, miniR), init == AdapterInit.Random
            ? (values, random) => random.FillUniform(values, 1f / MathF.Sqrt(miniR)) : null),
    ];

    public override Tensor Forward(LinearLayer layer, Tensor x)
    {
        Tensor sums = Ops.BlockSum(Ops.Dropout(x, dropout, (ulong)site), r);
        Tensor product = Ops.AddMatMul(x.Tape!.Zeros(new Shape(x.Shape.Rows, miniR)), sums, Values[0], transposed: false);
        return Ops.TileAdd(layer.Base(x), product);
    }

    public override WeightChange Change() => new TiledDelta(Doubles(0), r, miniR);
}
