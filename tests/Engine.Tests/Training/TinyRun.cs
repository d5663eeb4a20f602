using Marrow.Engine.Devices;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Tests.Training;

/// <summary>A tiny model with all weights trainable and a trainer on it.</summary>
internal sealed class TinyRun : IDisposable
{
    private readonly CpuDevice? _owned;

    public TinyRun(TrainingOptions options, TokenDataset data, TokenDataset? evaluation = null, int threads = 2, LlamaConfig? config = null, Device? device = null, DType activations = DType.F32)
    {
        _owned = device is null ? new CpuDevice(threads) : null;
        Device = device ?? _owned!;
        Model = Tiny.Model(Device, config);
        Model.ActivationType = activations;
        Parameters = Tiny.TrainAll(Model);
        Start = Parameters.Values.ToArray();
        Trainer = new Trainer(Model, Parameters, data, options, evaluation);
    }

    public Device Device { get; }

    public Llama Model { get; }

    public ParameterSet Parameters { get; }

    public Trainer Trainer { get; }

    public float[] Start { get; }

    /// <summary>Loss, norm and rate of the next steps.</summary>
    public (double Loss, double Norm, double Rate)[] Steps(int count) =>
        [.. Enumerable.Range(0, count).Select(_ => Trainer.RunStep()).Select(r => (r.Loss, r.GradNorm, r.LearningRate))];

    /// <summary>Every bit that training has changed.</summary>
    public float[] State() => [.. Parameters.Values.ToArray(), .. Trainer.Optimizer.FirstMoment.ToArray(), .. Trainer.Optimizer.SecondMoment.ToArray()];

    public void Dispose()
    {
        Trainer.Dispose();
        Parameters.Dispose();
        Model.Dispose();
        _owned?.Dispose();
    }
}
