using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Formats.Rwkv;

namespace Marrow.Adapters.Targets;

/// <summary>The modules that a model's weights belong to, by the paths that its files give them: what PEFT's names and patterns mean.</summary>
internal static class ModuleNames
{
    /// <summary>The path of a weight's module; RWKV's mixes, decays and low-rank matrices are no module's, they stand for themselves.</summary>
    public static string PathOf(CausalModel model, Weight weight)
    {
        string module = ModuleOf(weight.Name);
        return module != weight.Name && model.Config is RwkvConfig rwkv ? rwkv.ModulePath(module) : module;
    }

    /// <summary>A weight's name in a PEFT file, without the prefix.</summary>
    public static string NameOf(CausalModel model, Weight weight) => PathOf(model, weight) + weight.Name[ModuleOf(weight.Name).Length..];

    /// <summary>Whether a weight is a module's.</summary>
    public static bool HasModule(Weight weight) => ModuleOf(weight.Name) != weight.Name;

    /// <summary>The name of a layer's weight without its ending: the layer's path under official names.</summary>
    public static string OfficialPath(LinearLayer layer) => ModuleOf(layer.Weight.Name);

    private static string ModuleOf(string weight) => weight.EndsWith(".weight", StringComparison.Ordinal) || weight.EndsWith(".bias", StringComparison.Ordinal)
        ? weight[..weight.LastIndexOf('.')] : weight;
}
