using Marrow.Engine;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.Training;

namespace Marrow.Adapters.Tests;

/// <summary>One linear layer with an adapter: its output, gradients and merged weight.</summary>
internal sealed class OneLayer : IDisposable
{
    private readonly CpuDevice _device = new(2);
    private readonly LinearLayer _layer;
    private readonly ParameterSet _parameters;
    private readonly LayerAdapter _adapter;

    public OneLayer(AdapterConfig config, int outputs, int inputs, double[] weight, params double[][] values)
    {
        _layer = new LinearLayer("layer", new Weight("layer.weight", Tensor.Of(_device, new Shape(outputs, inputs), Floats(weight))));
        _adapter = config.CreateAdapter(_layer, 0);
        _parameters = new ParameterSet(_device, _adapter.Tensors.Select(t => (t.Name, t.Shape)));
        for (int i = 0; i < values.Length; i++)
        {
            Assert.Equal(_parameters.Parameters[i].Value.Shape.Count, values[i].Length);
            _parameters.Parameters[i].Value.Upload<float>(Floats(values[i]));
        }
        _adapter.Bind([.. _parameters.Parameters.Select(p => p.Value)]);
        _layer.Adapter = _adapter;
    }

    public float[] Run(double[] x, double[] dy, out float[] dx, out float[][] gradients)
    {
        using var tape = new Tape(_device) { Recording = true, Training = true };
        Tensor input = tape.New(new Shape(x.Length / _layer.Inputs, _layer.Inputs)), up = tape.New(new Shape(x.Length / _layer.Inputs, _layer.Outputs));
        input.Upload<float>(Floats(x));
        up.Upload<float>(Floats(dy));
        input.NeedsGrad = true;
        _parameters.Gradients.Clear();
        Tensor y = _layer.Forward(input);
        float[] output = y.ToArray();
        tape.Backward(y, up);
        dx = input.Grad!.ToArray();
        gradients = [.. _parameters.Parameters.Select(p => p.Value.Grad!.ToArray())];
        return output;
    }

    public double[] Merged()
    {
        WeightChange change = _adapter.Change();
        double[] weight = Array.ConvertAll(_layer.Weight.Value.ToArray(), v => (double)v);
        for (int o = 0; o < _layer.Outputs; o++)
            change.Apply(o, weight.AsSpan(o * _layer.Inputs, _layer.Inputs));
        return weight;
    }

    public WeightChange Change() => _adapter.Change();

    public void Dispose()
    {
        _parameters.Dispose();
        _layer.Weight.Dispose();
        _device.Dispose();
    }

    private static float[] Floats(double[] values) => Array.ConvertAll(values, v => (float)v);
}
