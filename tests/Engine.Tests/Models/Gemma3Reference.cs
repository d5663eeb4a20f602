using Marrow.Formats.HuggingFace;

namespace Marrow.Engine.Tests.Models;

/// <summary>
/// Gemma-3's text model (Gemma-2's too, where the configuration says so) written down once more, position by position in double precision,
/// without any of the engine's ops.
/// </summary>
internal sealed class Gemma3Reference(LlamaConfig config, IReadOnlyDictionary<string, double[]> weights, double embeddingFactor)
{
    private readonly int _channels = config.HiddenSize, _head = config.HeadDim;

    /// <summary>Logits of each position of one sequence.</summary>
    public double[][] Logits(ReadOnlySpan<int> ids)
    {
        double[] table = weights["model.embed_tokens.weight"];
        double[][] x = [.. ids.ToArray().Select(id => table[(id * _channels)..((id + 1) * _channels)].Select(v => v * embeddingFactor).ToArray())];
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            string at = $"model.layers.{layer}.";
            double[][] attended = Attention(layer, at, [.. x.Select(row => Norm(row, at + "input_layernorm"))]);
            x = [.. x.Zip(attended, (row, add) => Sum(row, Norm(add, at + "post_attention_layernorm")))];
            x = [.. x.Select(row => Sum(row, Norm(Mlp(at, Norm(row, at + "pre_feedforward_layernorm")), at + "post_feedforward_layernorm")))];
        }
        return [.. x.Select(row => Times(table, Norm(row, "model.norm")).Select(z => Cap(z, config.FinalSoftCap)).ToArray())];
    }

    /// <summary>Mean cross-entropy of the tokens behind the first of each sequence.</summary>
    public double Loss(IEnumerable<int[]> sequences)
    {
        double sum = 0;
        int count = 0;
        foreach (int[] ids in sequences)
        {
            double[][] logits = Logits(ids);
            for (int t = 0; t + 1 < ids.Length; t++, count++)
                sum += Math.Log(logits[t].Sum(Math.Exp)) - logits[t][ids[t + 1]];
        }
        return sum / count;
    }

    private double[][] Attention(int layer, string at, double[][] h)
    {
        int? window = config.Window(layer);
        int group = config.HeadCount / config.KeyValueHeadCount;
        double scale = 1 / Math.Sqrt(config.QueryPreAttentionScalar!.Value);
        double[][] q = Heads("q"), k = Heads("k"), v = [.. h.Select(row => Times(weights[at + "self_attn.v_proj.weight"], row))];
        var result = new double[h.Length][];
        for (int t = 0; t < h.Length; t++)
        {
            var mixed = new double[config.HeadCount * _head];
            for (int n = 0; n < config.HeadCount; n++)
            {
                var seen = new Dictionary<int, double>();
                for (int s = 0; s <= t; s++)
                {
                    if (window is null || t - s < window)
                        seen[s] = Math.Exp(Cap(scale * Enumerable.Range(0, _head).Sum(i => q[t][n * _head + i] * k[s][n / group * _head + i]), config.AttentionSoftCap));
                }
                double mass = seen.Values.Sum();
                foreach ((int s, double weight) in seen)
                    for (int i = 0; i < _head; i++)
                        mixed[n * _head + i] += weight / mass * v[s][n / group * _head + i];
            }
            result[t] = Times(weights[at + "self_attn.o_proj.weight"], mixed);
        }
        return result;

        double[][] Heads(string which) => [.. h.Select((row, t) =>
        {
            double[] all = Times(weights[$"{at}self_attn.{which}_proj.weight"], row);
            return all.Chunk(_head).SelectMany(one => Rotate(config.QueryKeyNorm ? Norm(one, $"{at}self_attn.{which}_norm") : one, t, window is not null)).ToArray();
        })];
    }

    // Gemma-2 has one table for all layers; Gemma-3's sliding layers have their own, which is never stretched.
    private double[] Rotate(double[] head, int position, bool sliding)
    {
        bool local = sliding && config.LocalRopeTheta is not null;
        double theta = local ? config.LocalRopeTheta!.Value : config.RopeTheta, stretch = !local && config.RopeScaling is RopeScaling.Linear linear ? linear.Factor : 1;
        var turned = new double[_head];
        for (int i = 0; i < _head / 2; i++)
        {
            double angle = position * Math.Pow(theta, -2.0 * i / _head) / stretch, a = head[i], b = head[i + _head / 2];
            turned[i] = a * Math.Cos(angle) - b * Math.Sin(angle);
            turned[i + _head / 2] = b * Math.Cos(angle) + a * Math.Sin(angle);
        }
        return turned;
    }

    private double[] Mlp(string at, double[] h)
    {
        double[] gate = Times(weights[at + "mlp.gate_proj.weight"], h), up = Times(weights[at + "mlp.up_proj.weight"], h);
        return Times(weights[at + "mlp.down_proj.weight"], [.. gate.Zip(up, (g, u) => 0.5 * g * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (g + 0.044715 * g * g * g))) * u)]);
    }

    private double[] Norm(double[] x, string name)
    {
        double[] w = weights[name + ".weight"];
        double length = Math.Sqrt(x.Sum(v => v * v) / x.Length + config.RmsNormEps);
        return [.. x.Select((v, i) => v / length * (1 + w[i]))];
    }

    private static double Cap(double x, double? cap) => cap is { } c ? c * Math.Tanh(x / c) : x;

    private static double[] Times(double[] matrix, double[] x)
    {
        var y = new double[matrix.Length / x.Length];
        for (int row = 0; row < y.Length; row++)
            for (int i = 0; i < x.Length; i++)
                y[row] += matrix[row * x.Length + i] * x[i];
        return y;
    }

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];
}
