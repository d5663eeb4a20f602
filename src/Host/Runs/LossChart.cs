using System.Globalization;
using System.Security;
using System.Text;
using Marrow.Formats;
using Marrow.Host.Progress;

namespace Marrow.Host.Runs;

/// <summary>Draws the loss curve as SVG: raw and smoothed training loss, evaluations as dots.</summary>
public static class LossChart
{
    private const int Width = 800, Height = 450, Left = 70, Right = 24, Top = 56, Bottom = 52, MaxPoints = 2000;
    private const string Raw = "#9ecae1", Smooth = "#1f5fa8", Evaluation = "#d9601a";

    /// <summary>The picture; values that are not finite are left out.</summary>
    public static string Draw(string title, IReadOnlyList<LossPoint> losses, IReadOnlyList<LossPoint> evaluations)
    {
        LossPoint[] raw = Finite(losses), dots = Finite(evaluations), smooth = Smoothed(raw);
        (ChartAxis x, ChartAxis y) = Axes([.. raw, .. dots]);
        var svg = new StringBuilder();
        Line(svg, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\" font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"13\">");
        Line(svg, $"<rect width=\"{Width}\" height=\"{Height}\" fill=\"#ffffff\"/>");
        Line(svg, $"<text x=\"{Left}\" y=\"30\" font-size=\"17\" font-weight=\"600\" fill=\"#222222\">{Escape(title)}</text>");
        Grid(svg, x, y);
        if (raw.Length == 0)
            Line(svg, $"<text x=\"{Width / 2}\" y=\"{Height / 2}\" text-anchor=\"middle\" fill=\"#777777\">no steps yet</text>");
        Curve(svg, raw, x, y, Raw, "1.2");
        Curve(svg, smooth, x, y, Smooth, "2.4");
        if (dots.Length > 1)
            Curve(svg, dots, x, y, Evaluation, "1.2");
        foreach (LossPoint dot in Thinned(dots))
            Line(svg, $"<circle cx=\"{x.At(dot.Step):0.##}\" cy=\"{y.At(dot.Loss):0.##}\" r=\"4\" fill=\"{Evaluation}\" stroke=\"#ffffff\" stroke-width=\"1\"/>");
        Legend(svg, ("loss", Raw, raw), ("smooth", Smooth, smooth), ("eval", Evaluation, dots));
        return svg.Append("</svg>\n").ToString();
    }

    private static void Grid(StringBuilder svg, ChartAxis x, ChartAxis y)
    {
        foreach ((double value, string label) in y.Ticks(6, whole: false))
        {
            Line(svg, $"<line x1=\"{Left}\" y1=\"{y.At(value):0.##}\" x2=\"{Width - Right}\" y2=\"{y.At(value):0.##}\" stroke=\"#e6e6e6\"/>");
            Line(svg, $"<text x=\"{Left - 8}\" y=\"{y.At(value) + 4:0.##}\" text-anchor=\"end\" fill=\"#555555\">{label}</text>");
        }
        foreach ((double value, string label) in x.Ticks(8, whole: true))
        {
            Line(svg, $"<line x1=\"{x.At(value):0.##}\" y1=\"{Height - Bottom}\" x2=\"{x.At(value):0.##}\" y2=\"{Height - Bottom + 5}\" stroke=\"#888888\"/>");
            Line(svg, $"<text x=\"{x.At(value):0.##}\" y=\"{Height - Bottom + 20}\" text-anchor=\"middle\" fill=\"#555555\">{label}</text>");
        }
        Line(svg, $"<path d=\"M{Left} {Top}V{Height - Bottom}H{Width - Right}\" fill=\"none\" stroke=\"#888888\"/>");
        Line(svg, $"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 10}\" text-anchor=\"middle\" fill=\"#555555\">optimizer step</text>");
        Line(svg, $"<text transform=\"translate(18 {(Top + Height - Bottom) / 2}) rotate(-90)\" text-anchor=\"middle\" fill=\"#555555\">loss</text>");
    }

    private static void Curve(StringBuilder svg, LossPoint[] points, ChartAxis x, ChartAxis y, string colour, string width)
    {
        if (points.Length == 0)
            return;
        svg.Append("<polyline fill=\"none\" stroke-linejoin=\"round\" stroke=\"").Append(colour).Append("\" stroke-width=\"").Append(width).Append("\" points=\"");
        foreach (LossPoint point in Thinned(points))
            svg.Append(CultureInfo.InvariantCulture, $"{x.At(point.Step):0.##},{y.At(point.Loss):0.##} ");
        svg.Append("\"/>\n");
    }

    private static void Legend(StringBuilder svg, params (string Name, string Colour, LossPoint[] Points)[] entries)
    {
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Width - Right}\" y=\"30\" text-anchor=\"end\" fill=\"#333333\" xml:space=\"preserve\">");
        foreach ((string name, string colour, LossPoint[] points) in entries.Where(e => e.Points.Length > 0))
            svg.Append(CultureInfo.InvariantCulture, $"<tspan fill=\"{colour}\">   ■</tspan> {name} {points[^1].Loss:0.0000}");
        svg.Append("</text>\n");
    }

    private static (ChartAxis X, ChartAxis Y) Axes(LossPoint[] points)
    {
        double firstStep = points.Length == 0 ? 0 : points.Min(p => p.Step), lastStep = points.Length == 0 ? 1 : points.Max(p => p.Step);
        double low = points.Length == 0 ? 0 : points.Min(p => p.Loss), high = points.Length == 0 ? 1 : points.Max(p => p.Loss);
        double margin = high > low ? 0.06 * (high - low) : Math.Max(Math.Abs(high) * 0.1, 1e-3);
        double bottom = low >= 0 ? Math.Max(0, low - margin) : low - margin;
        return (new ChartAxis(firstStep, Math.Max(lastStep, firstStep + 1), Left, Width - Right),
            new ChartAxis(bottom, high + margin, Height - Bottom, Top));
    }

    /// <summary>At most <see cref="MaxPoints"/> points: the lowest and highest of each stretch, so that no spike is lost.</summary>
    private static IEnumerable<LossPoint> Thinned(LossPoint[] points)
    {
        int stretches = MaxPoints / 2;
        if (points.Length <= MaxPoints)
            return points;
        return Enumerable.Range(0, stretches).SelectMany(s =>
        {
            int from = (int)((long)s * points.Length / stretches), to = (int)((long)(s + 1) * points.Length / stretches);
            ArraySegment<LossPoint> stretch = new(points, from, to - from);
            LossPoint low = stretch.MinBy(p => p.Loss), high = stretch.MaxBy(p => p.Loss);
            return low.Step <= high.Step ? new[] { low, high } : [high, low];
        });
    }

    /// <summary>The mean of a moving average from the left and one from the right, which does not lag behind.</summary>
    private static LossPoint[] Smoothed(LossPoint[] points)
    {
        double decay = Math.Clamp(1 - (20.0 / Math.Max(1, points.Length)), 0.6, 0.98);
        SmoothedLoss fromLeft = new(decay), fromRight = new(decay);
        var smooth = new LossPoint[points.Length];
        for (int i = 0; i < points.Length; i++)
            smooth[i] = points[i] with { Loss = fromLeft.Add(points[i].Loss) / 2 };
        for (int i = points.Length - 1; i >= 0; i--)
            smooth[i] = smooth[i] with { Loss = smooth[i].Loss + (fromRight.Add(points[i].Loss) / 2) };
        return smooth;
    }

    private static LossPoint[] Finite(IReadOnlyList<LossPoint> points) => [.. points.Where(p => double.IsFinite(p.Loss))];

    private static string Escape(string text) => SecurityElement.Escape(Echo.Name(text, 60));

    private static void Line(StringBuilder svg, FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
