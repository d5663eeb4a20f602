using System.Text.RegularExpressions;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Formats;

namespace Marrow.Adapters.Targets;

/// <summary>Finds the layers of a model that a <see cref="TargetSelection"/> means.</summary>
public sealed partial class TargetSelector
{
    private readonly CausalModel _model;
    private readonly TargetSelection _selection;
    private readonly ModulePattern _targets;
    private readonly List<string> _warnings = [];
    private readonly TargetRule _rule;
    private readonly string[] _paths;

    /// <summary>Checks the selection itself.</summary>
    /// <exception cref="MarrowException">
    /// AD002 parts of the selection contradict each other; AD006 a bad expression; AD007 a name in modules_to_save means no module.
    /// </exception>
    public TargetSelector(CausalModel model, TargetSelection selection)
    {
        (_model, _selection) = (model, selection);
        _targets = selection.TargetModules ?? DefaultFor(model.ModelType);
        bool numbered = selection.LayersToTransform is { Count: > 0 };
        if (numbered && _targets.Expression is not null)
            throw new MarrowException("AD002", "layers_to_transform cannot go with a regular expression in target_modules; "
                + "put the layer numbers into the expression, or give target_modules as a list. [AD002]");
        if (selection.LayersPattern is { Count: > 0 } && !numbered)
            throw new MarrowException("AD002", "layers_pattern says which list layers_to_transform counts in, but layers_to_transform is empty; give both or neither. [AD002]");
        if (selection.ExcludeModules is { IsAllLinear: true })
            throw new MarrowException("AD002", "exclude_modules: all-linear would leave nothing to adapt; give a list of names or an expression. [AD002]");
        // A tied head is a module of its own all the same.
        string head = ModuleNames.PathOf(model, model.Head) is var path && path == "model.embed_tokens" ? "lm_head" : path;
        _paths = [.. model.Weights.Select(w => ModuleNames.PathOf(model, w)).Append(head).Distinct()];
        _rule = new TargetRule(selection, _targets);
        foreach (string name in selection.ModulesToSave)
        {
            if (name.Length == 0 || !(_paths.Any(p => p.EndsWith(name, StringComparison.Ordinal)) || model.Weights.Any(w => w.Name == name)))
                throw new MarrowException("AD007", $"modules_to_save: no module is called '{Echo.Name(name)}'{NearNames.Hint(name, _paths.Select(Ending).Distinct())} "
                    + $"There are {string.Join(", ", _paths.Where(p => !IsNumbered(p)))}, and in the layers {string.Join(", ", _paths.Where(IsNumbered).Select(Ending).Distinct())}. [AD007]");
        }
    }

    /// <summary>What was odd but allowed, one sentence each.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>The layers to adapt, in the model's order.</summary>
    /// <exception cref="MarrowException">AD003 none; AD004 the selection means a module that cannot be adapted.</exception>
    public IReadOnlyList<LinearLayer> Layers()
    {
        LinearLayer[] chosen = [.. _model.Linears.Where(l => _rule.Means(l.Path) && !_selection.ModulesToSave.Contains(l.Weight.Name))];
        if (!_targets.IsAllLinear)
            RefuseOthers();
        string[] idle = [.. (_targets.Names ?? []).Where(name => !_model.Linears.Any(l => ModulePattern.IsAt(l.Path, name)))];
        if (chosen.Length == 0)
            throw new MarrowException("AD003", $"No layer of this {_model.ModelType} model is selected by target_modules {Show(_targets)}"
                + $"{(idle.Length == 0 ? " after exclude_modules, layers_to_transform and modules_to_save" : "")}; its linear layers are "
                + $"{string.Join(", ", Endings())} in layers 0 … {_model.Linears.Select(l => _rule.LayerOf(l.Path) ?? 0).Max()}"
                + $"{(idle.Length > 0 && NearNames.Hint(idle[0], Endings()) is { Length: > 0 } hint ? hint : ".")} [AD003]");
        foreach (string name in idle)
            _warnings.Add($"target_modules: no linear layer is called '{Echo.Name(name)}'{NearNames.Hint(name, Endings())}");
        return chosen;
    }

    /// <summary>The weights of the modules trained whole, in the model's order, and unties the head where it or the embedding is among them.</summary>
    public IReadOnlyList<Weight> SavedWeights()
    {
        if (_selection.ModulesToSave.Count == 0)
            return [];
        // PEFT gives the saved module a copy of its own; a shared matrix would change with it.
        if (_rule.IsSaved("lm_head") || _rule.IsSaved("model.embed_tokens"))
            _model.Untie();
        return [.. _model.Weights.Where(w => _rule.IsSaved(ModuleNames.PathOf(_model, w)) || _selection.ModulesToSave.Contains(w.Name))];
    }

    /// <summary>
    /// The shortest list of names that selects exactly <paramref name="layers"/> in this model: endings where they suffice, else whole paths.
    /// </summary>
    public static IReadOnlyList<string> NamesOf(CausalModel model, IReadOnlyList<LinearLayer> layers)
    {
        string[] endings = [.. layers.Select(l => Ending(l.Path)).Distinct()];
        return model.Linears.Count(l => endings.Contains(Ending(l.Path))) == layers.Count ? endings : [.. layers.Select(l => l.Path)];
    }

    /// <summary>Whether PEFT counts the layers of this model as <see cref="TargetSelection.LayersToTransform"/> means: their list must stand inside of another module.</summary>
    internal static bool IsCountedByPeft(IReadOnlyList<LinearLayer> layers) => layers.All(l => PeftLayerNumber().IsMatch(l.Path));

    /// <summary>
    /// PEFT's defaults (spec/adapters.md §4.4). RWKV's are RWKV-PEFT's, every matrix of both mixings: PEFT's table means the same ones of RWKV-7, and knows
    /// RWKV-6 not at all.
    /// </summary>
    private static ModulePattern DefaultFor(string modelType) => modelType switch
    {
        "llama" or "mistral" or "qwen2" or "qwen3" or "gemma2" or "gemma3_text" => new ModulePattern("q_proj", "v_proj"),
        "rwkv7" or "rwkv6" => new ModulePattern(ModulePattern.AllLinear),
        _ => throw new MarrowException("AD002", $"target_modules is not given, and model type '{Echo.Name(modelType)}' has no default; name the layers to adapt, or all-linear. [AD002]"),
    };

    // The head, the embedding and the norms; a list entry that means them is as wrong as an expression.
    private void RefuseOthers()
    {
        HashSet<string> linears = [.. _model.Linears.Select(l => l.Path)];
        foreach (string path in _paths)
        {
            if (!linears.Contains(path) && _rule.Means(path))
                throw new MarrowException("AD004", $"target_modules {Show(_targets)} selects '{path}', which cannot be adapted (only the linear layers inside the blocks can); "
                    + $"leave it out, or train it whole with modules_to_save: [{Ending(path)}]. [AD004]");
        }
    }

    private string[] Endings() => [.. _model.Linears.Select(l => Ending(l.Path)).Distinct()];

    private static string Ending(string path) => path[(path.LastIndexOf('.') + 1)..];

    private static bool IsNumbered(string path) => LayerNumber().IsMatch(path);

    [GeneratedRegex(@"\.\d+\.", RegexOptions.CultureInvariant)]
    private static partial Regex LayerNumber();

    [GeneratedRegex(@"\A.*\.[^.]*\.\d+\.", RegexOptions.CultureInvariant)]
    private static partial Regex PeftLayerNumber();

    private static string Show(ModulePattern pattern) => pattern.Names is { } names
        ? $"[{string.Join(", ", names.Take(10).Select(n => Echo.Name(n)))}{(names.Count > 10 ? ", …" : "")}]" : Echo.Quote(pattern.Text!);
}
