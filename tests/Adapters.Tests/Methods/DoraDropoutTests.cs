using Marrow.Adapters.Methods;
using Marrow.Engine;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.Training;
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

    [Fact]
    public void Magnitudes_of_many_rows_are_their_norms()
    {
        // More than one piece of rows, and the last one not whole.
        const int Many = 1500, Wide = 1000;
        var random = new Random(5);
        float[] w = [.. Enumerable.Range(0, Many * Wide).Select(_ => random.NextSingle() - 0.5f)];
        using var device = new CpuDevice(1);
        using Tensor stored = Tensor.Of(device, new Shape(Many, Wide), w);
        using LayerAdapter adapter = new DoraConfig { R = R }.CreateAdapter(new LinearLayer("layer", new Weight("layer.weight", stored)), 0);
        var magnitudes = new float[Many];
        adapter.Tensors[2].Fill!(magnitudes, new SeededRandom(1, 1));
        for (int o = 0; o < Many; o++)
            Assert.Equal(Math.Sqrt(w.Skip(o * Wide).Take(Wide).Sum(v => (double)v * v)), magnitudes[o], 1e-4);
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
