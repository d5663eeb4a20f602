using System.Globalization;
using System.Xml.Linq;
using Marrow.Host.Runs;

namespace Marrow.Host.Tests.Runs;

public class LossChartTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(30)]
    [InlineData(100_000)]
    public void Any_number_of_steps_draws_inside_the_picture(int steps)
    {
        LossPoint[] losses = [.. Enumerable.Range(1, steps).Select(s => new LossPoint(s, 1 + (3 / Math.Sqrt(s))))];
        XElement svg = Draw("runs/x", losses, losses.Where((_, i) => i % 10 == 9).ToArray());
        double[] numbers = [.. svg.Descendants(Svg + "polyline").SelectMany(p => p.Attribute("points")!.Value.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries))
            .Select(n => double.Parse(n, CultureInfo.InvariantCulture))];
        Assert.All(numbers, n => Assert.InRange(n, 0, 800));
        Assert.InRange(numbers.Length, Math.Min(steps, 1), 3 * 2 * 2000);
    }

    [Fact]
    public void Titles_and_values_that_are_not_numbers_do_no_harm()
    {
        XElement svg = Draw("a<b>&\"\u0007", [new(1, 2), new(2, double.NaN), new(3, double.PositiveInfinity), new(4, 1)], [new(4, double.NaN)]);
        Assert.Equal("a<b>&\"\\u0007", svg.Elements(Svg + "text").First().Value);
        Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, svg.Descendants(Svg + "polyline").First().Attribute("points")!.Value.Trim().Split(' ').Length);
    }

    [Fact]
    public void A_spike_is_not_lost_among_many_points()
    {
        LossPoint[] losses = [.. Enumerable.Range(1, 50_000).Select(s => new LossPoint(s, s == 31_337 ? 9 : 1))];
        string points = Draw("x", losses, []).Descendants(Svg + "polyline").First().Attribute("points")!.Value;
        double[] heights = [.. points.Trim().Split(' ').Select(p => double.Parse(p.Split(',')[1], CultureInfo.InvariantCulture))];
        Assert.Single(heights, h => h < 100);
    }

    [Theory]
    [InlineData(0, 10, 5, false, "0 2 4 6 8 10")]
    [InlineData(1.93, 2.07, 4, false, "1.95 2.00 2.05")]
    [InlineData(1, 3, 8, true, "1 2 3")]
    [InlineData(-1, 1, 4, false, "-1.0 -0.5 0.0 0.5 1.0")]
    [InlineData(1, 100000, 5, true, "20000 40000 60000 80000 100000")]
    public void Ticks_are_round(double low, double high, int count, bool whole, string expected) =>
        Assert.Equal(expected, string.Join(' ', new ChartAxis(low, high, 0, 100).Ticks(count, whole).Select(t => t.Label)));

    private static XElement Draw(string title, LossPoint[] losses, LossPoint[] evaluations) =>
        XDocument.Parse(LossChart.Draw(title, losses, evaluations)).Root!;
}
