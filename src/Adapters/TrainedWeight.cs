using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Engine.Training;
using Marrow.Adapters.Merging;

namespace Marrow.Adapters;

/// <summary>A weight of the model that is trained whole, as an fp32 parameter in its place.</summary>
internal sealed class TrainedWeight
{
    private readonly Tensor _original;

    public TrainedWeight(Weight weight, Parameter parameter, bool keepOriginal)
    {
        (Weight, Parameter) = (weight, parameter);
        // Replacing frees the weight's tensor; the view keeps its buffer.
        _original = keepOriginal ? weight.Value.View(0, weight.Value.Shape) : weight.Value;
        Copy(weight.Value, parameter.Value);
    }

    public Weight Weight { get; }

    public Parameter Parameter { get; }

    /// <summary>The base's values; only where they were kept.</summary>
    public Tensor Original => _original;

    /// <summary>Puts the parameter in the weight's place.</summary>
    public void Attach()
    {
        Tensor value = Parameter.Value.View(0, Parameter.Value.Shape);
        value.NeedsGrad = true;
        value.Grad = Parameter.Value.Grad;
        Weight.Replace(value);
    }

    /// <summary>Puts the base's values back.</summary>
    public void Detach() => Weight.Replace(_original.View(0, _original.Shape));

    /// <summary>Puts the trained values there as an ordinary weight, rounded to the base's type; fp32 where the base is quantised.</summary>
    public void Merge()
    {
        var merged = new Tensor(_original.Device, _original.Shape, AdapterMerge.TypeMerged(_original));
        Copy(Parameter.Value, merged);
        Weight.Replace(merged);
    }

    public void Free() => _original.Dispose();

    /// <summary>Copies values a piece at a time, rounding them to the target's type.</summary>
    internal static void Copy(Tensor from, Tensor to)
    {
        const int Piece = 1 << 20;
        var values = new float[Math.Min(Piece, from.Shape.Count)];
        for (long at = 0; at < from.Shape.Count; at += Piece)
        {
            Span<float> piece = values.AsSpan(0, (int)Math.Min(Piece, from.Shape.Count - at));
            from.ReadFloats(piece, at);
            to.WriteFloats(piece, at);
        }
    }
}
