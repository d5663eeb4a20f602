using Marrow.Engine.Devices;
using Marrow.Formats;

namespace Marrow.Engine.Training;

/// <summary>A trainable tensor.</summary>
/// <param name="Name">Its name in the adapter or model file.</param>
/// <param name="Value">Its values, a view into <see cref="ParameterSet.Values"/>; its Grad is the view into <see cref="ParameterSet.Gradients"/>.</param>
public sealed record Parameter(string Name, Tensor Value);

/// <summary>
/// All trainable tensors in one run of memory and their gradients in another, fp32: clipping, updating and saving each are one pass.
/// </summary>
public sealed class ParameterSet : IDisposable
{
    /// <summary>Every parameter starts at a multiple of this many values, and so the whole is as long.</summary>
    internal const int Alignment = 16;
    private readonly Dictionary<string, Parameter> _byName = [];

    /// <summary>Zeros for each name and shape, in the order given.</summary>
    public ParameterSet(Device device, IEnumerable<(string Name, Shape Shape)> layout)
    {
        var places = new List<(string Name, Shape Shape, long At)>();
        long count = 0;
        foreach ((string name, Shape shape) in layout)
        {
            places.Add((name, shape, count));
            count = checked(count + (shape.Count + Alignment - 1) / Alignment * Alignment);
        }
        if (count > int.MaxValue)
            throw new MarrowException("E109", $"{count:N0} values are to be trained, at most {int.MaxValue:N0} are possible; train an adapter instead of all weights. [E109]");
        Values = new Tensor(device, new Shape((int)count));
        Gradients = new Tensor(device, Values.Shape);
        Values.Clear();
        Gradients.Clear();
        foreach ((string name, Shape shape, long at) in places)
        {
            Tensor value = Values.View(at, shape);
            value.NeedsGrad = true;
            value.Grad = Gradients.View(at, shape);
            if (!_byName.TryAdd(name, new Parameter(name, value)))
                throw new MarrowException("E108", $"Two trainable tensors are called '{name}'. [E108]");
        }
        Parameters = [.. places.Select(p => _byName[p.Name])];
    }

    /// <summary>The parameters in order.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>All values; parameters start at multiples of 64 bytes and the gaps stay zero.</summary>
    public Tensor Values { get; }

    /// <summary>All gradients, laid out as <see cref="Values"/>.</summary>
    public Tensor Gradients { get; }

    /// <summary>Trainable values without the gaps.</summary>
    public long Count => Parameters.Sum(p => p.Value.Shape.Count);

    /// <summary>The parameter of a name.</summary>
    public Parameter this[string name] => _byName[name];

    /// <summary>The part of <paramref name="flat"/>, a tensor laid out as <see cref="Values"/>, that belongs to a parameter.</summary>
    public Tensor Slice(Tensor flat, Parameter parameter) => flat.View(FirstOf(parameter), parameter.Value.Shape);

    /// <summary>Where a parameter starts in <see cref="Values"/>, in values.</summary>
    internal int FirstOf(Parameter parameter) => (int)((parameter.Value.Offset - Values.Offset) / sizeof(float));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Parameter parameter in Parameters)
        {
            parameter.Value.Grad?.Dispose();
            parameter.Value.Dispose();
        }
        Values.Dispose();
        Gradients.Dispose();
    }
}
