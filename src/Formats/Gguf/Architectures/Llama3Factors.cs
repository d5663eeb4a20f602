using System.Runtime.InteropServices;
using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>The tensor rope_freqs.weight [d/2]: what the frequencies of a model with the scaling of Llama 3.1 are divided by (spec/formats.md §6.1).</summary>
internal static class Llama3Factors
{
    // What the fp32 arithmetic of other writers may differ by, times the factor.
    private const double Tolerance = 2e-5;
    private const string Name = "rope_freqs.weight";

    /// <summary>The factors of the configuration's scaling, as stored.</summary>
    public static byte[] Bytes(LlamaConfig config) => MemoryMarshal.AsBytes(Of(config, (RopeScaling.Llama3)config.RopeScaling!).AsSpan()).ToArray();

    /// <summary>
    /// The scaling whose factors a file holds; null where it holds none, or only ones. Its parameters are taken from the keys where they give these factors, otherwise
    /// found: those of the released models, or solved for from the factors between 1 and the largest.
    /// </summary>
    /// <exception cref="ModelFileException">GA003 a wrong shape; GA005 no parameters give these factors.</exception>
    public static RopeScaling? Read(GgufKeys keys, LlamaConfig config, ITensorSource tensors, double? low, double? high, int? original)
    {
        if (!tensors.Tensors.TryGetValue(Name, out TensorInfo? info))
            return null;
        if (info.Count != config.HeadDim / 2)
            throw new ModelFileException("GA003", keys.Values.Path, $"tensor '{Name}' has shape {info.ShapeText}; {config.HeadDim / 2} factors are needed, one for each frequency of a head");
        float[] factors = tensors.ReadFloats(Name);
        if (Array.TrueForAll(factors, f => f == 1))
            return null;
        double factor = factors.Max();
        if (Array.TrueForAll(factors, f => f > 0 && float.IsFinite(f)))
            foreach (RopeScaling.Llama3 candidate in Candidates(config, factors, factor, low, high, original))
                if (Gives(config, candidate, factors))
                    return candidate;
        throw new ModelFileException("GA005", keys.Values.Path, $"tensor '{Name}' holds factors that the scaling of Llama 3.1 gives with no parameters; such a model is not supported");
    }

    private static IEnumerable<RopeScaling.Llama3> Candidates(LlamaConfig config, float[] factors, double factor, double? low, double? high, int? original)
    {
        if (low is { } l && high is { } h && h > l)
            yield return new RopeScaling.Llama3(factor, l, h, original ?? 8192);
        yield return new RopeScaling.Llama3(factor, 1, 4, 8192);
        for (int positions = 1 << 20; positions > 1; positions /= 2)
            yield return new RopeScaling.Llama3(factor, 1, 4, positions);
        // 1/f is a straight line over the frequency between the two ends: s = a·x − b, with x the inverse wave length and low = 1, as only ratios matter.
        int first = Array.FindIndex(factors, f => f > 1 && f < factor), last = Array.FindLastIndex(factors, f => f > 1 && f < factor);
        if (last > first)
        {
            double x1 = Inverse(config, first), x2 = Inverse(config, last), s1 = Ramp(factors[first], factor), s2 = Ramp(factors[last], factor);
            double a = (s2 - s1) / (x2 - x1), b = a * x1 - s1, end = Math.Round(1 + 1 / b, 3), positions = Math.Round(a / b);
            if (end is > 1 and < 1e6 && positions is > 0 and < int.MaxValue)
                yield return new RopeScaling.Llama3(factor, 1, end, (int)positions);
        }
    }

    private static bool Gives(LlamaConfig config, RopeScaling.Llama3 scaling, float[] factors)
    {
        float[] given = Of(config, scaling);
        for (int i = 0; i < factors.Length; i++)
            if (!(Math.Abs(given[i] - factors[i]) <= Tolerance * scaling.Factor))
                return false;
        return true;
    }

    private static float[] Of(LlamaConfig config, RopeScaling.Llama3 scaling)
    {
        float[] factors = new float[config.HeadDim / 2];
        for (int i = 0; i < factors.Length; i++)
        {
            double rotations = scaling.OriginalMaxPositions * Inverse(config, i);
            double s = (rotations - scaling.LowFreqFactor) / (scaling.HighFreqFactor - scaling.LowFreqFactor);
            factors[i] = (float)(rotations > scaling.HighFreqFactor ? 1 : rotations < scaling.LowFreqFactor ? scaling.Factor : 1 / ((1 - s) / scaling.Factor + s));
        }
        return factors;
    }

    private static double Inverse(LlamaConfig config, int i) => Math.Pow(config.RopeTheta, -2.0 * i / config.HeadDim) / (2 * Math.PI);

    private static double Ramp(float f, double factor) => (1 / f - 1 / factor) / (1 - 1 / factor);
}
