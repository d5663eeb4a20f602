using Marrow.Engine.Training;
using Marrow.Formats.Rwkv;

namespace Marrow.Engine.Models;

/// <summary>Start values of a fresh RWKV model, after the RWKV papers: mixes and decays spread over channels and layers, output projections zero.</summary>
internal static class RwkvStart
{
    /// <summary>Fills the tensor of an official name.</summary>
    public static void Fill(RwkvConfig config, string name, Shape shape, float[] values, SeededRandom random)
    {
        string[] parts = name.Split('.');
        int layer = parts[0] == "blocks" ? int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture) : 0;
        int c = config.HiddenSize, layers = config.LayerCount;
        // 0 in the first block and 1 in the last; 1 in the first and nearly 0 in the last.
        double rising = layers > 1 ? layer / (layers - 1.0) : 0, falling = 1 - (double)layer / layers;
        string part = parts[0] != "blocks" ? parts[0] : parts[2].StartsWith("ln", StringComparison.Ordinal) ? parts[2] : parts[3];
        void Each(Func<int, double> value)
        {
            for (int i = 0; i < values.Length; i++)
                values[i] = (float)value(i);
        }

        void Uniform(double bound) => random.FillUniform(values, (float)bound);
        // Offsets that alternate within each head, which makes its channels differ.
        double Zigzag(int i)
        {
            double z = (i % config.HeadSize - (config.HeadSize - 1) / 2.0) / Math.Max(1, (config.HeadSize - 1) / 2.0);
            return z * Math.Abs(z);
        }

        double Linear(int i) => i / Math.Max(1.0, c - 1) - 0.5;
        switch (part)
        {
            case "emb": Uniform(1e-4); break;
            case "head": random.FillNormal(values, (float)(0.5 * Math.Sqrt(Math.Max(1.0, (double)config.VocabularySize / c) / Math.Max(config.VocabularySize, c)))); break;
            case "ln_x" when parts[^1] == "weight": Each(_ => Math.Pow((1.0 + layer) / layers, 0.7)); break;
            case "ln0" or "ln1" or "ln2" or "ln_out" when parts[^1] == "weight": Each(_ => 1); break;
            case "x_r" or "x_g" or "time_maa_r" or "time_maa_g" when parts[2] == "att": Each(i => 1 - Math.Pow((double)i / c, 0.2 * falling)); break;
            case "x_w" or "x_a" or "time_maa_x" or "time_maa_w": Each(i => 1 - Math.Pow((double)i / c, 0.9 * falling)); break;
            case "x_k" or "time_maa_k" or "time_maa_r" when parts[2] == "ffn": Each(i => 1 - Math.Pow((double)i / c, Math.Pow(falling, 4))); break;
            case "x_k" or "x_v" or "time_maa_k" or "time_maa_v": Each(i => 1 - Math.Pow((double)i / c, 0.7 * falling)); break;
            case "w0": Each(i => -6 + 6 * Math.Pow(i / Math.Max(1.0, c - 1), 1 + Math.Pow(rising, 0.3)) + 0.5 + 2.5 * Zigzag(i)); break;
            case "time_decay": Each(i => -6 + 5 * Math.Pow(i / Math.Max(1.0, c - 1), 0.7 + 1.3 * rising)); break;
            case "time_faaaa": Each(i => rising * (1 - (i % c) / Math.Max(1.0, c - 1)) + 0.1 * ((i + 1) % 3 - 1)); break;
            case "a0": Each(i => -0.19 + 0.3 * Zigzag(i) + 0.4 * Linear(i)); break;
            case "v0": Each(i => 0.73 - 0.4 * Linear(i)); break;
            case "k_k": Each(i => 0.71 - 0.1 * Linear(i)); break;
            case "k_a": Each(_ => 1.02); break;
            case "r_k": Each(_ => -0.04); break;
            case "w2" or "a2" or "v2" or "g2": random.FillNormal(values, (float)(0.1 / Math.Sqrt(Math.Max(shape.Rows, shape.Last)))); break;
            case "time_maa_w2" or "time_decay_w2": Uniform(0.01); break;
            case "receptance" when parts[2] == "att": Uniform(0.5 / Math.Sqrt(c)); break;
            case "key" when parts[2] == "att": Uniform(0.05 / Math.Sqrt(c)); break;
            case "value" or "gate" when parts[2] == "att": Uniform(0.5 / Math.Sqrt(c)); break;
            case "key" or "receptance": Uniform(0.5 / Math.Sqrt(c)); break;
            // Zero: biases, the first halves of the low-rank paths, both output projections, initial states.
            default: break;
        }
    }
}
