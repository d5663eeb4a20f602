namespace Marrow.Host.Progress;

/// <summary>A moving average with weights that fall by <paramref name="decay"/> per step, corrected for its start; NaN is skipped.</summary>
public sealed class SmoothedLoss(double decay = 0.9)
{
    private double sum;
    private double weight;

    /// <summary>The average; NaN before the first value.</summary>
    public double Value => weight > 0 ? sum / weight : double.NaN;

    /// <summary>Adds a value and returns the new average.</summary>
    public double Add(double loss)
    {
        if (double.IsFinite(loss))
        {
            sum = (decay * sum) + loss;
            weight = (decay * weight) + 1;
        }
        return Value;
    }
}
