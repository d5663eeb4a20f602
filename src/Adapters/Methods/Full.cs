using Marrow.Adapters.Merging;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters.Methods;

/// <summary>
/// Full fine-tuning: every weight of the model is an fp32 parameter under its own name; a tied head is trained once, with its embedding.
/// The model computes with the trained values from then on, also after this is disposed.
/// </summary>
public sealed class Full : FineTuning
{
    private readonly CausalModel _model;
    private readonly TrainedWeight[] _weights;

    /// <summary>Makes parameters of all weights.</summary>
    /// <exception cref="MarrowException">AD009 an adapter is attached; AD010 more than 2³¹ values.</exception>
    public Full(CausalModel model)
    {
        _model = model;
        if ((model.Linears.FirstOrDefault(l => l.Adapter is not null)?.Path ?? model.InitialStates.FirstOrDefault(s => s.Trained is not null)?.Name) is { } taken)
            throw new MarrowException("AD009", $"{taken} has an adapter; detach or merge it before full fine-tuning. [AD009]");
        Parameters = Reserve(model.Device, [.. model.Weights.Select(w => (w.Name, w.Value.Shape))]);
        _weights = [.. model.Weights.Select((w, i) => new TrainedWeight(w, Parameters.Parameters[i], keepOriginal: false))];
        foreach (TrainedWeight weight in _weights)
            weight.Attach();
    }

    /// <inheritdoc/>
    public override CausalModel Model => _model;

    /// <inheritdoc/>
    public override ParameterSet Parameters { get; }

    /// <summary>Writes a model folder, or a .pth file of an RWKV model, in the stored types of <paramref name="source"/> (fp32 without one).</summary>
    public override void Save(string path, ModelFolder? source) => ModelFolderWriter.Write(path, _model, source);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach (TrainedWeight weight in _weights)
            (weight.Weight.Value.NeedsGrad, weight.Weight.Value.Grad) = (false, null);
        Parameters.Dispose();
    }
}
