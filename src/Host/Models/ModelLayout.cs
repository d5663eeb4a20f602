using Marrow.Engine;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Host.Models;

/// <summary>A model's tensors against what its configuration asks for.</summary>
/// <param name="Missing">Tensors that are not there or have another shape, a statement each.</param>
/// <param name="Unreadable">Tensors whose type is no number that is computed with, a statement each.</param>
/// <param name="Left">The names of tensors that the model has no use for.</param>
internal sealed record ModelLayout(IReadOnlyList<string> Missing, IReadOnlyList<string> Unreadable, IReadOnlyList<string> Left)
{
    /// <summary>Compares; no value is read.</summary>
    public static ModelLayout Compare(ITensorSource weights, ModelConfig config)
    {
        if (config.LayerCount > weights.Tensors.Count)
            return new([$"the configuration asks for {config.LayerCount} layers, but there are only {weights.Tensors.Count} tensors"], [], []);
        Dictionary<string, Shape> wanted = Of(config);
        List<string> missing = [], unreadable = [];
        foreach ((string name, Shape shape) in wanted)
        {
            long[] sizes = [.. Enumerable.Range(0, shape.Rank).Select(i => (long)shape[i])];
            if (!weights.Tensors.TryGetValue(name, out TensorInfo? tensor))
                missing.Add($"tensor '{name}' [{string.Join(',', sizes)}] is missing");
            else if (!tensor.Shape.SequenceEqual(sizes))
                missing.Add($"tensor '{name}' has shape {tensor.ShapeText}, the configuration asks for [{string.Join(',', sizes)}]");
            else if (!tensor.DType.IsReal())
                unreadable.Add($"tensor '{name}' is stored as {tensor.DType}, not as floating-point numbers");
        }
        return new(missing, unreadable, [.. weights.Tensors.Keys.Where(n => !wanted.ContainsKey(n) && !config.IsDerived(n))]);
    }

    /// <summary>Name and shape of every tensor, as the model itself asks for them.</summary>
    private static Dictionary<string, Shape> Of(ModelConfig config)
    {
        var wanted = new Dictionary<string, Shape>();
        using var device = new LayoutDevice();
        using CausalModel model = ModelLoader.Build(device, config, (name, shape) =>
        {
            wanted[name] = shape;
            return new Tensor(device, shape);
        });
        return wanted;
    }
}
