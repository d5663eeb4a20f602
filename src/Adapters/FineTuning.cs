using Marrow.Engine;
using Marrow.Engine.Devices;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters;

/// <summary>What a training run changes: a model, and those of its values that are trained.</summary>
public abstract class FineTuning : IDisposable
{
    /// <summary>The model, which computes with the trained values.</summary>
    public abstract CausalModel Model { get; }

    /// <summary>The trained values, under the names of the files that <see cref="Save"/> writes.</summary>
    public abstract ParameterSet Parameters { get; }

    /// <summary>What was odd but allowed, one sentence each.</summary>
    public virtual IReadOnlyList<string> Warnings => [];

    /// <summary>Whether weight decay applies to a trained value.</summary>
    public virtual bool Decays(Parameter parameter) => true;

    /// <summary>Writes the result: an adapter's, or a whole model's; a folder, or a file where <paramref name="path"/> ends in .pth. <paramref name="source"/> is where the model came from; null for one made in memory.</summary>
    public abstract void Save(string path, ModelFolder? source);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Takes memory for trained values.</summary>
    /// <exception cref="MarrowException">AD010 there are more than one set can hold.</exception>
    protected static ParameterSet Reserve(Device device, IReadOnlyList<(string Name, Shape Shape)> layout)
    {
        // Each starts at a multiple of 16.
        long room = layout.Sum(p => p.Shape.Count + 15);
        return room <= int.MaxValue ? new ParameterSet(device, layout) : throw new MarrowException("AD010",
            $"{layout.Count} tensors with {layout.Sum(p => p.Shape.Count)} values would be trained, at most {int.MaxValue} can be; "
            + "train an adapter instead of the whole model, lower r, adapt fewer layers, or save fewer modules. [AD010]");
    }

    /// <summary>Frees the trained values.</summary>
    protected abstract void Dispose(bool disposing);
}
