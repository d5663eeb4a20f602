using System.Globalization;
using System.Text.RegularExpressions;

namespace Marrow.Adapters.Targets;

/// <summary>Whether a <see cref="TargetSelection"/> means a module, by its path alone, as PEFT decides it (spec/adapters.md §4.4).</summary>
internal sealed class TargetRule
{
    private readonly TargetSelection _selection;
    private readonly ModulePattern _targets;
    private readonly Regex[] _layerNumber;

    /// <param name="selection">The selection.</param>
    /// <param name="targets">Its target_modules, or what takes their place where they are not given.</param>
    /// <exception cref="Marrow.Formats.MarrowException">AD006 layers_pattern holds a bad expression.</exception>
    public TargetRule(TargetSelection selection, ModulePattern targets)
    {
        (_selection, _targets) = (selection, targets);
        _layerNumber = [.. (selection.LayersPattern is { Count: > 0 } lists ? lists : ["[^.]*"])
            .Select(list => ModulePattern.Compile($@"\A(?:.*?\.)?(?:{list})\.(\d+)\.", list))];
    }

    /// <summary>Whether the module gets an adapter.</summary>
    public bool Means(string path)
    {
        if (_selection.ExcludeModules?.Matches(path) == true || IsSaved(path) || !_targets.Matches(path))
            return false;
        return _selection.LayersToTransform is not { Count: > 0 } numbers || (LayerOf(path) is { } layer && numbers.Contains(layer));
    }

    /// <summary>Whether the module is trained whole. PEFT compares without regard to dots: "norm" also means every input_layernorm.</summary>
    public bool IsSaved(string path)
    {
        foreach (string name in _selection.ModulesToSave)
        {
            if (path.EndsWith(name, StringComparison.Ordinal))
                return true;
        }
        return false;
    }

    /// <summary>The number of the layer that the module is in: the first in its path. Null where it has none.</summary>
    public int? LayerOf(string path)
    {
        foreach (Regex regex in _layerNumber)
        {
            Match match = ModulePattern.Match(regex, path, string.Join(", ", _selection.LayersPattern ?? []));
            if (match.Success)
                return int.TryParse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture, out int layer) ? layer : null;
        }
        return null;
    }
}
