using System.Diagnostics;
using System.Numerics.Tensors;
using Marrow.Engine.Autograd;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats.Datasets;
using Tensor = Marrow.Engine.Tensor;

namespace Marrow.TinyLlama.Make;

/// <summary>Trains every weight of a model from what it holds: AdamW, warm-up, then a cosine down to zero, one pass over the data.</summary>
internal sealed class Pretraining
{
    private const int WarmupSteps = 100;
    private const float PeakRate = 3e-3f, Decay = 0.05f, Beta1 = 0.9f, Beta2 = 0.98f, Epsilon = 1e-8f, LongestGradient = 1f;

    private readonly Llama _model;
    private readonly ParameterSet _parameters;
    private readonly float[] _gradients, _values, _first, _second;

    /// <summary>Makes parameters of all weights of <paramref name="model"/>; <paramref name="parameters"/> were laid out for them.</summary>
    public Pretraining(Llama model, ParameterSet parameters)
    {
        (_model, _parameters) = (model, parameters);
        foreach (Weight weight in model.Weights)
        {
            parameters[weight.Name].Value.CopyFrom(weight.Value);
            weight.Replace(parameters[weight.Name].Value);
        }
        int count = parameters.Values.Shape.Elements;
        (_gradients, _values, _first, _second) = (new float[count], new float[count], new float[count], new float[count]);
    }

    /// <summary>Trains on batches of <paramref name="batchSize"/> examples until <paramref name="data"/> has been seen once.</summary>
    public void Run(TokenDataset data, int batchSize, TextWriter log)
    {
        var plan = new BatchPlan(data, new DataOrder(data.Count, 1, shuffle: true), batchSize);
        var batch = new TokenBatch();
        using var tape = new Tape(_model.Device) { Recording = true, Training = true };
        var clock = Stopwatch.StartNew();
        long steps = plan.CountBatches(1), tokens = 0;
        for (int step = 1; step <= steps; step++)
        {
            plan.Next(batch);
            tokens += batch.TokenCount;
            _parameters.Gradients.Clear();
            Tensor loss = _model.Loss(tape, batch, 1f / batch.Targets, out _);
            float shown = loss.ToArray()[0];
            tape.Backward(loss);
            tape.Clear();
            float rate = PeakRate * Math.Min(1f, step / (float)WarmupSteps) * (0.5f + 0.5f * MathF.Cos(MathF.PI * step / steps));
            Update(step, rate);
            if (step % 100 == 0 || step == steps)
                log.WriteLine($"step {step}/{steps}  loss {shown:0.000}  {tokens / clock.Elapsed.TotalSeconds:0} tokens/s  {clock.Elapsed:m\\:ss}");
        }
    }

    private void Update(int step, float rate)
    {
        _parameters.Gradients.Download(_gradients.AsSpan());
        _parameters.Values.Download(_values.AsSpan());
        float clip = Math.Min(1f, LongestGradient / (TensorPrimitives.Norm<float>(_gradients) + 1e-6f));
        float firstWeight = 1 - MathF.Pow(Beta1, step), secondWeight = 1 - MathF.Pow(Beta2, step);
        for (int i = 0; i < _values.Length; i++)
        {
            float gradient = _gradients[i] * clip;
            _first[i] += (1 - Beta1) * (gradient - _first[i]);
            _second[i] += (1 - Beta2) * (gradient * gradient - _second[i]);
            _values[i] -= rate * (_first[i] / firstWeight / (MathF.Sqrt(_second[i] / secondWeight) + Epsilon) + Decay * _values[i]);
        }
        _parameters.Values.Upload<float>(_values.AsSpan());
    }
}
