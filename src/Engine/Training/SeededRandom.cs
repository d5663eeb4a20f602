using Marrow.Formats.Numerics;

namespace Marrow.Engine.Training;

/// <summary>
/// A generator whose stream is fixed by seed and site for ever (SplitMix64 in counter form), unlike the framework's, whose algorithm may change.
/// </summary>
public sealed class SeededRandom
{
    private readonly ulong _key;
    private ulong _count;

    /// <summary>The stream of a seed at one site (a parameter's index, say).</summary>
    public SeededRandom(ulong seed, ulong site) => _key = SplitMix64.Mix(seed ^ SplitMix64.Mix(site + 0x5851F42D4C957F2D));

    /// <summary>The next 64 bits.</summary>
    public ulong Next() => SplitMix64.Mix(_key + _count++);

    /// <summary>Uniform in [0, 1).</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Fills with N(0, deviation²).</summary>
    public void FillNormal(Span<float> values, float deviation)
    {
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble()));
    }

    /// <summary>Fills with values uniform in [−bound, bound).</summary>
    public void FillUniform(Span<float> values, float bound)
    {
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)((2 * NextDouble() - 1) * bound);
    }
}
