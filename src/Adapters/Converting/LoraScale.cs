namespace Marrow.Adapters.Converting;

/// <summary>The scale of LoRA as files say it: alpha over the rank, or over its root (rsLoRA).</summary>
/// <param name="Alpha">The numerator.</param>
/// <param name="IsByRoot">Whether it is divided by √r instead of r.</param>
public readonly record struct LoraScale(double Alpha, bool IsByRoot = false)
{
    /// <summary>The factor of B·A with rank <paramref name="r"/>.</summary>
    public double Of(int r) => Alpha / (IsByRoot ? Math.Sqrt(r) : r);

    /// <summary>The alpha over r that means the same.</summary>
    public double PlainAlpha(int r) => IsByRoot ? Alpha * Math.Sqrt(r) : Alpha;
}
