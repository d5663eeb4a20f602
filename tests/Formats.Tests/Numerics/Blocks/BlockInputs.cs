using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Formats.Tests.Numerics.Blocks;

/// <summary>The inputs of the golden data: twelve kinds of values in turn, 256 at a time, and random bytes as blocks. Exact in any language: no function of a library.</summary>
internal static class BlockInputs
{
    public const int Groups = 2004, Blocks = 2000;

    public static float[] Values()
    {
        float[] values = new float[Groups * 256];
        for (int b = 0; b < Groups; b++)
            Fill(values.AsSpan(b * 256, 256), b);
        return values;
    }

    /// <summary>Blocks of random bytes whose scales are finite.</summary>
    public static byte[] RandomBlocks(BlockFormat format, params int[] scales)
    {
        var random = new SplitMix64(77);
        byte[] blocks = new byte[format.Bytes * Blocks];
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = (byte)(random.Next() >> 56);
        for (int at = 0; at < blocks.Length; at += format.Bytes)
        {
            foreach (int scale in scales)
                blocks[at + scale + 1] &= 0xBF;
        }
        return blocks;
    }

    public static double Gaussian(ref SplitMix64 random)
    {
        double sum = -6;
        for (int i = 0; i < 12; i++)
            sum += Uniform(ref random);
        return sum;
    }

    /// <summary>Normally distributed, with the tails that the sum of uniform numbers lacks (Box and Muller).</summary>
    public static double Normal(ref SplitMix64 random) =>
        Math.Sqrt(-2 * Math.Log(1 - Uniform(ref random))) * Math.Cos(2 * Math.PI * Uniform(ref random));

    private static double Uniform(ref SplitMix64 random) => (random.Next() >> 40) * (1.0 / 16777216);

    private static void Fill(Span<float> values, int b)
    {
        var random = new SplitMix64((ulong)(1000 + b));
        double constant = Gaussian(ref random), scale = 1;
        for (int i = 0; i < 256; i++)
        {
            if (i % 16 == 0)
                scale = 1.0 / 4096 * (1u << (int)(random.Next() % 25));
            double value = (b % 12) switch
            {
                0 => Gaussian(ref random) * 0.02,
                1 => Uniform(ref random) * 2 - 1,
                2 => Uniform(ref random),
                3 => Gaussian(ref random) * (1.0 / 1099511627776),
                4 => constant,
                5 => 0,
                6 => Uniform(ref random) < 0.1 ? Gaussian(ref random) : (random.Next() & 1) != 0 ? -0.0 : 0.0,
                7 => Gaussian(ref random) * 1000,
                8 => Gaussian(ref random) * scale,
                9 => Gaussian(ref random) * (1.0 / 128) + (b % 24 < 12 ? 3 : -3),
                10 => Gaussian(ref random) * (1.0 / 64) * (i % 64 == 13 ? 256 : 1),
                _ => Gaussian(ref random) * (1.0 / 1125899906842624) * (1.0 / 1024) * scale,
            };
            values[i] = (float)value;
        }
    }
}
