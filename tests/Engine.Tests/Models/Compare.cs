namespace Marrow.Engine.Tests.Models;

/// <summary>Comparisons that name the worst place.</summary>
internal static class Compare
{
    public static void Largest(ReadOnlySpan<float> expected, ReadOnlySpan<float> found, double limit, string name = "")
    {
        Assert.Equal(expected.Length, found.Length);
        int worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - found[i]) <= Math.Abs(expected[worst] - found[worst])))
                worst = i;
        }
        Assert.True(Math.Abs(expected[worst] - found[worst]) <= limit, $"{name}[{worst}]: {found[worst]:r} instead of {expected[worst]:r}, limit {limit:e1}");
    }
}
