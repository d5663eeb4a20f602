using System.Numerics.Tensors;
using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Formats;
using Tensor = Marrow.Engine.Tensor;

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

    public override WeightChange Change() => new BlockChange(Doubles(0), r);

    private sealed class BlockChange : WeightChange
    {
        private readonly double[] _blocks, _steps, _inverses;
        private readonly int _r;

        public BlockChange(double[] blocks, int r)
        {
            (_blocks, _r) = (blocks, r);
            _steps = [.. blocks];
            for (int a = 0; a < blocks.Length; a += r * r)
                for (int i = 0; i < r; i++)
                    _steps[a + i * r + i] += 1;
            _inverses = [.. _steps];
            CanUndo = true;
            for (int a = 0; a < blocks.Length && CanUndo; a += r * r)
                CanUndo = Inverse.Of(_inverses.AsSpan(a, r * r), r);
        }

        public override bool CanUndo { get; }

        public override void Apply(int output, Span<double> row)
        {
            Multiply(output, row, _steps);
            AddBlockRow(output, row, 1);
        }

        public override void Undo(int output, Span<double> row)
        {
            AddBlockRow(output, row, -1);
            Multiply(output, row, _inverses);
        }

        private void AddBlockRow(int output, Span<double> row, double factor)
        {
            // Blocks lie one below the other, so row o of them is row o mod r of block o / r.
            ReadOnlySpan<double> blockRow = _blocks.AsSpan(output * _r, _r);
            for (int c = 0; c < row.Length; c += _r)
                TensorPrimitives.MultiplyAdd(blockRow, factor, row.Slice(c, _r), row.Slice(c, _r));
        }

        private void Multiply(int output, Span<double> row, double[] matrices)
        {
            ReadOnlySpan<double> matrix = matrices.AsSpan(output / _r * _r * _r, _r * _r);
            Span<double> product = _r <= 256 ? stackalloc double[_r] : new double[_r];
            for (int c = 0; c < row.Length; c += _r)
            {
                Span<double> part = row.Slice(c, _r);
                product.Clear();
                for (int k = 0; k < _r; k++)
                    TensorPrimitives.MultiplyAdd(matrix.Slice(k * _r, _r), part[k], product, product);
                product.CopyTo(part);
            }
        }
    }
}
