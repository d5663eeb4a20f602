using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;

namespace Marrow.Engine.Tests.Training;

/// <summary>A tiny model with all weights trainable and a trainer on it.</summary>
internal sealed class TinyRun : IDisposable
{
    public TinyRun(TrainingOptions options, TokenDataset data, TokenDataset? evaluation = null, int threads = 2, LlamaConfig? config = null)
    {
        Device = new CpuDevice(threads);
        Model = Tiny.Model(Device, config);
        Parameters = Tiny.TrainAll(Model);
        Start = Parameters.Values.ToArray();
        Trainer = new Trainer(Model, Parameters, data, options, evaluation);
    }

    public CpuDevice Device { get; }

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
        Device.Dispose();
    }
}
