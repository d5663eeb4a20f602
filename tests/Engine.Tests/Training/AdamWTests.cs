using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Training;

namespace Marrow.Engine.Tests.Training;

public sealed class AdamWTests
{
    [Theory]
    [InlineData(0.01, 1e-8)]
    [InlineData(0.0, 1e-6)]
    [InlineData(0.3, 1e-2)]
    public void Updates_as_the_formula_in_double(double weightDecay, double eps)
    {
        using var device = new CpuDevice(2);
        // 40,000 values are cut among threads; 7 and 1 leave gaps behind them.
        using var set = new ParameterSet(device, [("a", new Shape(7)), ("b", new Shape(200, 200)), ("c", new Shape(1))]);
        var options = new AdamWOptions(0.8, 0.95, eps, weightDecay);
        using var optimizer = new AdamW(set, options, p => p.Name != "a");
        var random = new SeededRandom(3, 0);
        var expected = new Dictionary<string, (double[] P, double[] M, double[] V)>();
        foreach (Parameter parameter in set.Parameters)
        {
            var values = new float[parameter.Value.Shape.Count];
            random.FillNormal(values, 1);
            parameter.Value.Upload<float>(values);
            expected[parameter.Name] = ([.. values], new double[values.Length], new double[values.Length]);
        }
        for (int t = 1; t <= 5; t++)
        {
            double rate = 0.01 * t, clip = 1.0 / t;
            foreach (Parameter parameter in set.Parameters)
            {
                var gradient = new float[parameter.Value.Shape.Count];
                random.FillNormal(gradient, 0.1f);
                parameter.Value.Grad!.Upload<float>(gradient);
                (double[] p, double[] m, double[] v) = expected[parameter.Name];
                for (int i = 0; i < p.Length; i++)
                {
                    double g = gradient[i] * clip;
                    p[i] -= rate * (parameter.Name == "a" ? 0 : weightDecay) * p[i];
                    m[i] = 0.8 * m[i] + 0.2 * g;
                    v[i] = 0.95 * v[i] + 0.05 * g * g;
                    p[i] -= rate * (m[i] / (1 - Math.Pow(0.8, t))) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.95, t))) + eps);
                }
            }
            optimizer.Update(rate, clip);
        }
        foreach (Parameter parameter in set.Parameters)
        {
            float[] found = parameter.Value.ToArray();
            for (int i = 0; i < found.Length; i++)
                Assert.Equal(expected[parameter.Name].P[i], found[i], 5e-6);
        }
        Assert.Equal(0, set.Values.ToArray()[8]);
        Assert.Equal(set.Count, set.Values.ToArray().Count(x => x != 0));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(100_003)]
    public void The_norm_is_that_of_all_gradients_whatever_the_threads(int count)
    {
        var values = new float[count];
        new SeededRandom(1, 1).FillNormal(values, 3);
        double expected = Math.Sqrt(values.Sum(x => (double)x * x));
        var norms = new HashSet<double>();
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using var device = new CpuDevice(threads);
            using var set = new ParameterSet(device, [("a", new Shape(count))]);
            using var optimizer = new AdamW(set, new AdamWOptions());
            set["a"].Value.Grad!.Upload<float>(values);
            norms.Add(optimizer.GradientNorm());
        }
        Assert.Equal(expected, Assert.Single(norms), expected * 1e-12);
    }

    [Fact]
    public void Clipping_is_that_of_torch()
    {
        Assert.Equal(1, AdamW.ClipFactor(0.5, 1));
        Assert.Equal(1, AdamW.ClipFactor(0, 1));
        Assert.Equal(0.5 / (4 + 1e-6), AdamW.ClipFactor(4, 0.5));
    }
}
