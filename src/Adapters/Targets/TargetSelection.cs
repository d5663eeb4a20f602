namespace Marrow.Adapters.Targets;

/// <summary>What is adapted and what is trained whole, in PEFT's words (spec/adapters.md §4.4, §4.6).</summary>
public sealed record TargetSelection
{
    /// <summary>The layers to adapt; null means what PEFT adapts by default in this model type.</summary>
    public ModulePattern? TargetModules { get; init; }

    /// <summary>Layers left out; goes before everything else.</summary>
    public ModulePattern? ExcludeModules { get; init; }

    /// <summary>The only layer numbers to adapt; null or empty means all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Names of the list that the layer number follows ("layers"); null means any. Regular expressions, as in PEFT.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>
    /// Endings of the paths of modules that are trained and saved whole, and never adapted; a tensor that is no module's, as RWKV's mixes, counts as one.
    /// A single tensor can be meant by its whole name.
    /// </summary>
    public IReadOnlyList<string> ModulesToSave { get; init; } = [];
}
