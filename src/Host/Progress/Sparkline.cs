namespace Marrow.Host.Progress;

/// <summary>A row of block characters that shows a curve.</summary>
internal static class Sparkline
{
    private const string Blocks = "▁▂▃▄▅▆▇█";

    /// <summary>The curve of <paramref name="values"/> in at most <paramref name="width"/> characters; each is the mean of its share.</summary>
    public static string Draw(IReadOnlyList<double> values, int width)
    {
        int columns = Math.Min(width, values.Count);
        var means = new double[columns];
        for (int c = 0; c < columns; c++)
        {
            int from = (int)((long)c * values.Count / columns);
            int to = (int)((long)(c + 1) * values.Count / columns);
            double sum = 0;
            for (int i = from; i < to; i++)
                sum += values[i];
            means[c] = sum / (to - from);
        }
        double low = means.Where(double.IsFinite).DefaultIfEmpty(0).Min();
        double high = means.Where(double.IsFinite).DefaultIfEmpty(0).Max();
        return string.Concat(means.Select(m =>
            !double.IsFinite(m) ? ' ' : Blocks[high > low ? (int)Math.Round((m - low) / (high - low) * (Blocks.Length - 1)) : 0]));
    }
}
