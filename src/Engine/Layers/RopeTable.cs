using Marrow.Engine.Devices;
using Marrow.Formats.HuggingFace;

namespace Marrow.Engine.Layers;

/// <summary>
/// Cosines and sines of the rotary embedding for the positions in use, with every scaling of spec/architectures.md §2.3.
/// Angles are products in fp32, as in the models' own code.
/// </summary>
public sealed class RopeTable : IDisposable
{
    private readonly Device _device;
    private readonly LlamaConfig _config;
    private int _dynamicLength;

    /// <summary>A table for the model of <paramref name="config"/>; it grows when <see cref="Reserve"/> asks for more positions.</summary>
    public RopeTable(Device device, LlamaConfig config)
    {
        _device = device;
        _config = config;
        Cos = Sin = null!;
        Fill(Math.Min(512, config.MaxPositions), config.MaxPositions);
    }

    /// <summary>[P, d/2] fp32.</summary>
    public Tensor Cos { get; private set; }

    /// <summary>[P, d/2] fp32.</summary>
    public Tensor Sin { get; private set; }

    /// <summary>Makes sure that positions below <paramref name="length"/> are there; dynamic scaling follows the length of the pass.</summary>
    public void Reserve(int length)
    {
        int dynamicLength = _config.RopeScaling is RopeScaling.Dynamic d ? Math.Max(length, d.OriginalMaxPositions) : 0;
        if (length > Cos.Shape.Rows || (dynamicLength != 0 && dynamicLength != _dynamicLength))
            Fill(Math.Max(length, Math.Min(2 * Cos.Shape.Rows, _config.MaxPositions)), length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Cos.Dispose();
        Sin.Dispose();
    }

    /// <summary>The angular step of each channel pair, [d/2]; <paramref name="length"/> matters for dynamic scaling only.</summary>
    public static float[] Frequencies(LlamaConfig config, int length)
    {
        int d = config.HeadDim;
        double theta = config.RopeTheta;
        if (config.RopeScaling is RopeScaling.Dynamic dynamic)
        {
            double stretch = dynamic.Factor * Math.Max(length, dynamic.OriginalMaxPositions) / dynamic.OriginalMaxPositions - (dynamic.Factor - 1);
            theta *= Math.Pow(stretch, d / (d - 2.0));
        }
        var frequencies = new float[d / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            double plain = Math.Pow(theta, -2.0 * i / d);
            frequencies[i] = (float)(config.RopeScaling switch
            {
                RopeScaling.Linear s => plain / s.Factor,
                RopeScaling.Llama3 s => Llama3(plain, s),
                RopeScaling.Yarn s => Yarn(plain, i, d, theta, s),
                _ => plain,
            });
        }
        return frequencies;
    }

    private static double Llama3(double frequency, RopeScaling.Llama3 s)
    {
        double wavelength = 2 * Math.PI / frequency, old = s.OriginalMaxPositions;
        if (wavelength < old / s.HighFreqFactor)
            return frequency;
        if (wavelength > old / s.LowFreqFactor)
            return frequency / s.Factor;
        double mix = (old / wavelength - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor);
        return (1 - mix) * frequency / s.Factor + mix * frequency;
    }

    private static double Yarn(double frequency, int i, int d, double theta, RopeScaling.Yarn s)
    {
        double Dimension(double turns) => d * Math.Log(s.OriginalMaxPositions / (2 * Math.PI * turns)) / (2 * Math.Log(theta));
        double low = Dimension(s.BetaFast), high = Dimension(s.BetaSlow);
        if (s.Truncate)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, d - 1));
        double ramp = Math.Clamp((i - low) / Math.Max(high - low, 0.001), 0, 1);
        return frequency / s.Factor * ramp + frequency * (1 - ramp);
    }

    private void Fill(int positions, int length)
    {
        float[] frequencies = Frequencies(_config, length);
        float factor = _config.RopeScaling is RopeScaling.Yarn yarn ? (float)yarn.AttentionFactor : 1f;
        int half = frequencies.Length;
        var cos = new float[positions * half];
        var sin = new float[positions * half];
        for (int p = 0; p < positions; p++)
        {
            for (int i = 0; i < half; i++)
            {
                (double s, double c) = Math.SinCos(p * frequencies[i]);
                (cos[p * half + i], sin[p * half + i]) = ((float)c * factor, (float)s * factor);
            }
        }
        Cos?.Dispose();
        Sin?.Dispose();
        Cos = Tensor.Of(_device, new Shape(positions, half), cos);
        Sin = Tensor.Of(_device, new Shape(positions, half), sin);
        _dynamicLength = _config.RopeScaling is RopeScaling.Dynamic d ? Math.Max(length, d.OriginalMaxPositions) : 0;
    }
}
