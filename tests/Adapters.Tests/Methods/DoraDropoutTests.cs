using Marrow.Adapters.Methods;
using Marrow.Engine;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Tensor = Marrow.Engine.Tensor;

namespace Marrow.Adapters.Tests.Methods;

public sealed class DoraDropoutTests
{
    private const int Rows = 4, Inputs = 12, Outputs = 7, R = 3;
    private const float Probability = 0.4f;

    [Fact]
    public void Dropped_inputs_are_dropped_from_the_change_only()
    {
        var random = new Random(3);
        double[] Draw(int n) => [.. Enumerable.Range(0, n).Select(_ => (double)(random.NextSingle() - 0.5f))];
        double[] w = Draw(Outputs * Inputs), x = Draw(Rows * Inputs), dy = Draw(Rows * Outputs);
        using var layer = new OneLayer(new DoraConfig { R = R, LoraAlpha = 6, LoraDropout = Probability }, Outputs, Inputs, w, Draw(R * Inputs), Draw(Outputs * R), [.. Draw(Outputs).Select(v => v + 1)]);
        double[] change = [.. layer.Merged().Zip(w, (after, before) => after - before)];
        double[] kept = Mask(x), dropped = [.. x.Zip(kept, (v, k) => v * k)];
        Assert.Contains(0.0, kept);

        float[] y = layer.Run(x, dy, out float[] dx, out _);
        for (int t = 0; t < Rows; t++)
        {
            for (int o = 0; o < Outputs; o++)
                Assert.Equal(Enumerable.Range(0, Inputs).Sum(i => w[o * Inputs + i] * x[t * Inputs + i] + change[o * Inputs + i] * dropped[t * Inputs + i]), y[t * Outputs + o], 1e-5);
            for (int i = 0; i < Inputs; i++)
                Assert.Equal(Enumerable.Range(0, Outputs).Sum(o => (w[o * Inputs + i] + change[o * Inputs + i] * kept[t * Inputs + i]) * dy[t * Outputs + o]), dx[t * Inputs + i], 1e-5);
        }
    }

    /// <summary>What dropout multiplies each element by at the layer's site.</summary>
    private static double[] Mask(double[] x)
    {
        using var device = new CpuDevice(1);
        using var tape = new Tape(device) { Training = true };
        Tensor ones = tape.New(new Shape(Rows, Inputs));
        ones.Upload<float>([.. Enumerable.Repeat(1f, x.Length)]);
        return Array.ConvertAll(Ops.Dropout(ones, Probability, 0).ToArray(), v => (double)v);
    }
}
