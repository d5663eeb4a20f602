using Marrow.Engine.Training;

namespace Marrow.Host.Progress;

/// <summary>Shows a training run while it goes. Calls come from one thread and return at once; disposing shows the last state.</summary>
public interface ITrainingDisplay : IDisposable
{
    /// <summary>The first step begins on a device that compiles its kernels in it; <paramref name="state"/> tells how far it is, from any thread.</summary>
    void Starting(Func<string> state);

    /// <summary>One optimizer step is done.</summary>
    void Step(StepReport report);

    /// <summary>An evaluation after <paramref name="step"/> is done.</summary>
    void Evaluated(int step, double loss);
}
