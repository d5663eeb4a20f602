using System.Text.Json;

namespace Marrow.Engine.Tests.Models;

/// <summary>Compares a tensor with the summary of it in the shared data: norm, sum, first values, largest value and its place.</summary>
internal static class Summaries
{
    public static void Check(string name, JsonElement summary, float[] found, double share = 5e-5)
    {
        double largest = summary.GetProperty("absmax").GetDouble(), limit = share * largest, l2 = summary.GetProperty("l2").GetDouble();
        float[] first = [.. summary.GetProperty("first4").EnumerateArray().Select(e => (float)e.GetDouble())];
        Compare.Largest(first, found.AsSpan(0, first.Length), limit, name);
        Assert.Equal(l2, Math.Sqrt(found.Sum(x => (double)x * x)), 0.4 * share * l2);
        Assert.Equal(summary.GetProperty("sum").GetDouble(), found.Sum(x => (double)x), limit * Math.Sqrt(found.Length));
        Assert.Equal(largest, Math.Abs(found[summary.GetProperty("argabsmax").GetInt32()]), limit);
        Assert.InRange(found.Max(MathF.Abs), 0, largest + limit);
    }
}
