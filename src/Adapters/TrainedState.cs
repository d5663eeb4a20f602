using Marrow.Engine;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;

namespace Marrow.Adapters;

/// <summary>What a recurrent layer starts from, as an fp32 parameter in place of the model's own or of zeros.</summary>
internal sealed class TrainedState : IDisposable
{
    private readonly CausalModel _model;
    private readonly bool _wasStored;
    private readonly Tensor _original;

    public TrainedState(CausalModel model, InitialState state, Parameter parameter)
    {
        (_model, State, Parameter, _wasStored) = (model, state, parameter, state.Stored is not null);
        if (state.Stored is { } stored)
        {
            // Replacing frees the weight's tensor; the view keeps its buffer.
            _original = stored.Value.View(0, stored.Value.Shape);
            TrainedWeight.Copy(_original, parameter.Value);
        }
        else
        {
            _original = new Tensor(model.Device, state.Shape);
            _original.Clear();
        }
    }

    public InitialState State { get; }

    public Parameter Parameter { get; }

    /// <summary>What the model starts from without this: its own values, or zeros.</summary>
    public Tensor Original => _original;

    public void Attach() => State.Trained = Parameter.Value;

    public void Detach() => State.Trained = null;

    /// <summary>Makes the trained values the model's own; a state that it had keeps its type.</summary>
    public void Merge()
    {
        var merged = new Tensor(_original.Device, _original.Shape, _original.DType);
        TrainedWeight.Copy(Parameter.Value, merged);
        if (_wasStored)
            State.Stored!.Replace(merged);
        else
            _model.Store(State, merged);
    }

    public void Unmerge()
    {
        if (_wasStored)
            State.Stored!.Replace(_original.View(0, _original.Shape));
        else
            _model.Store(State, null);
    }

    public void Dispose() => _original.Dispose();
}
