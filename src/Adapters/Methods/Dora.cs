using System.Numerics.Tensors;
using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Engine.Training;
using Tensor = Marrow.Engine.Tensor;

namespace Marrow.Adapters.Methods;

/// <summary>
/// DoRA: W' = diag(m/n)·(W + s·B·A) with n the norms of the rows of W + s·B·A, which are constants in backward (spec/adapters.md §3.8).
/// </summary>
public sealed record DoraConfig : LoraConfig
{
    /// <summary>DoRA with LoRA's defaults.</summary>
    public DoraConfig()
    {
    }

    private DoraConfig(LoraConfig lora)
        : base(lora)
    {
    }

    internal static new AdapterMethod Entry { get; } = new("dora", LoraConfig.Entry.PeftType, Read);

    /// <inheritdoc/>
    public override bool UseDora => true;

    /// <inheritdoc/>
    public override AdapterMethod Method => Entry;

    /// <inheritdoc/>
    public override LayerAdapter CreateAdapter(LinearLayer layer, int site)
    {
        (int r, double scale) = RankAndScale(layer);
        return new DoraLayer(layer, r, scale, (float)LoraDropout, site, InitWeights);
    }

    /// <inheritdoc/>
    public override void Write(JsonObject fields)
    {
        base.Write(fields);
        fields["use_dora"] = true;
    }

    private static DoraConfig? Read(PeftDocument document) =>
        document.PeftType == Entry.PeftType && document.Json.Flag("use_dora") is true ? new DoraConfig(ReadSettings(document)) : null;
}

internal sealed class DoraLayer(LinearLayer layer, int r, double scale, float dropout, int site, AdapterInit init) : LayerAdapter(layer)
{
    private const int PieceElements = 1 << 20;
    private readonly LoraLayer _lora = new(layer, r, scale, dropout, site, init);
    private Tensor? _squares;

    public override IReadOnlyList<AdapterTensor> Tensors =>
        [.. _lora.Tensors, new("lora_magnitude_vector", new Shape(Layer.Outputs), (values, random) => Magnitudes(values, random))];

    public override Tensor Forward(LinearLayer layer, Tensor x)
    {
        // Weights are frozen under an adapter, so the norms of their rows are taken once.
        _squares ??= Squares();
        Tensor w = layer.Weight.Value, a = Values[0], b = Values[1], m = Values[2];
        Tensor inverse = Ops.InverseRowNorms(x.Tape!, w, _squares, a, b, (float)scale);
        Tensor dropped = Ops.Dropout(x, dropout, (ulong)site);
        Tensor h = Ops.Linear(dropped, a);
        if (ReferenceEquals(dropped, x))
            return Ops.ScaleColumns(Ops.AddMatMul(Ops.Linear(x, w), h, b, transposed: true, (float)scale), m, inverse, 0f, layer.Bias?.Value);
        // As PEFT: what is dropped is dropped from the change only.
        Tensor change = Ops.AddMatMul(x.Tape!.Zeros(new Shape(x.Shape.Rows, layer.Outputs), x.DType), h, b, transposed: true, (float)scale);
        return Ops.Add(Ops.Add(layer.Base(x), Ops.ScaleColumns(Ops.Linear(dropped, w), m, inverse, 1f)), Ops.ScaleColumns(change, m, inverse));
    }

    public override WeightChange Change() => new DoraChange(Doubles(0), Doubles(1), Doubles(2), r, scale);

    internal override void Bind(Tensor[] values)
    {
        base.Bind(values);
        _lora.Bind(values[..2]);
    }

    protected override void Dispose(bool disposing)
    {
        _squares?.Dispose();
        _squares = null;
        base.Dispose(disposing);
    }

    private Tensor Squares()
    {
        var sums = new float[Layer.Outputs];
        ForRows((o, row) => sums[o] = TensorPrimitives.SumOfSquares<float>(row));
        return Tensor.Of(Layer.Weight.Value.Device, new Shape(sums.Length), sums);
    }

    private void Magnitudes(float[] values, SeededRandom random)
    {
        ForRows((o, row) => values[o] = MathF.Sqrt(TensorPrimitives.SumOfSquares<float>(row)));
        if (init != AdapterInit.Random)
            return;
        var noise = new float[values.Length];
        random.FillUniform(noise, 0.1f);
        for (int i = 0; i < noise.Length; i++)
            values[i] *= 1 + noise[i];
    }

    private void ForRows(Action<int, ReadOnlySpan<float>> work)
    {
        Tensor w = Layer.Weight.Value;
        int n = w.Shape.Last, rows = w.Shape.Rows, most = Math.Max(1, PieceElements / n);
        // Many rows at a time: a GPU is waited for once for all of them.
        var values = new float[Math.Min(rows, most) * n];
        for (int first = 0; first < rows; first += most)
        {
            int count = Math.Min(most, rows - first);
            w.ReadFloats(values.AsSpan(0, count * n), (long)first * n);
            for (int i = 0; i < count; i++)
                work(first + i, values.AsSpan(i * n, n));
        }
    }
}
