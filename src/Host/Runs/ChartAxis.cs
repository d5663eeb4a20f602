using System.Globalization;

namespace Marrow.Host.Runs;

/// <summary>A linear axis from <paramref name="Low"/> to <paramref name="High"/> over the pixels <paramref name="From"/> to <paramref name="To"/>, with round ticks.</summary>
internal readonly record struct ChartAxis(double Low, double High, double From, double To)
{
    public double At(double value) => From + ((value - Low) / (High - Low) * (To - From));

    /// <summary>About <paramref name="count"/> ticks at 1, 2 or 5 times a power of ten; <paramref name="whole"/> keeps them to whole numbers.</summary>
    public IEnumerable<(double Value, string Label)> Ticks(int count, bool whole)
    {
        double raw = (High - Low) / count;
        double power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        double step = power * (raw / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
        if (whole)
            step = Math.Max(1, Math.Round(step));
        int digits = Math.Clamp(-(int)Math.Floor(Math.Log10(step) + 1e-9), 0, 12);
        double first = Math.Ceiling((Low / step) - 1e-9);
        for (double n = first; n * step <= High + (step * 1e-9); n++)
        {
            double value = (n * step) + 0.0; // turns −0 into 0
            yield return (value, value.ToString($"F{digits}", CultureInfo.InvariantCulture));
        }
    }
}
