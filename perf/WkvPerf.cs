using System.Diagnostics;
using Marrow.Engine;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Engine.Training;
using Marrow.Formats.Rwkv;

namespace Marrow.Perf;

/// <summary>The WKV operator alone.</summary>
internal static class WkvPerf
{
    private const int Runs = 8;

    /// <summary>Milliseconds of forward and backward in all layers, on <paramref name="batch"/> sequences of <paramref name="length"/> tokens: the median of several runs.</summary>
    public static double Milliseconds(Device device, RwkvConfig config, int batch, int length)
    {
        int n = batch * length, c = config.HiddenSize;
        int[] starts = [.. Enumerable.Range(0, batch + 1).Select(s => s * length)];
        using var set = new ParameterSet(device, Enumerable.Range(0, config.Version == 7 ? 6 : 4).Select(i => ($"{i}", new Shape(n, c))));
        using var bonus = new Tensor(device, new Shape(config.HeadCount, config.HeadSize));
        bonus.Clear();
        for (int i = 0; i < set.Parameters.Count; i++)
        {
            var values = new float[n * c];
            new SeededRandom(1, (ulong)i).FillUniform(values, 0.1f);
            // Logarithms of decays are below zero.
            set.Parameters[i].Value.Upload<float>(i == 1 ? Array.ConvertAll(values, v => -0.1f - MathF.Abs(v)) : values);
        }
        Tensor[] x = [.. set.Parameters.Select(p => p.Value)];
        using var tape = new Tape(device) { Recording = true, Training = true };
        using var gradient = new Tensor(device, new Shape(n, c));
        gradient.CopyFrom(x[0]);
        List<double> times = [];
        for (int run = 0; run < Runs; run++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int layer = 0; layer < config.LayerCount; layer++)
            {
                Tensor rows = tape.Upload(starts);
                Tensor y = config.Version == 7 ? Ops.Wkv7(On(0), On(1), On(2), On(3), On(4), On(5), rows, config.HeadCount, null)
                    : Ops.Wkv6(On(0), On(1), On(2), On(3), bonus, rows, config.HeadCount, null);
                tape.Backward(y, gradient);
                tape.Clear();
            }
            if (run >= 2)
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        return StepRun.Median(times);

        // Its own tensor on the tape, as in a model, where inputs are activations.
        Tensor On(int i)
        {
            Tensor alias = tape.Alias(x[i]);
            alias.NeedsGrad = true;
            return alias;
        }
    }
}
