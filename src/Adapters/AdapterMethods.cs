using Marrow.Adapters.Methods;
using Marrow.Formats;

namespace Marrow.Adapters;

/// <summary>The adapter methods there are. A new one adds its line here and a file of its own.</summary>
public static class AdapterMethods
{
    /// <summary>Every method.</summary>
    public static IReadOnlyList<AdapterMethod> All { get; } =
    [
        LoraConfig.Entry,
        DoraConfig.Entry,
        MissConfig.Entry,
        MissMiniConfig.Entry,
        BatConfig.Entry,
        BatRowConfig.Entry,
        StateConfig.Entry,
    ];

    /// <summary>The method of a name or alias.</summary>
    /// <exception cref="MarrowException">AD001 there is none.</exception>
    public static AdapterMethod Find(string name) => All.FirstOrDefault(m => m.Name == name || m.Aliases.Contains(name))
        ?? throw new MarrowException("AD001", $"There is no adapter method '{Echo.Name(name)}'{NearNames.Hint(name, All.SelectMany(m => m.Aliases.Prepend(m.Name)))} "
            + $"The methods are {string.Join(", ", All.Select(m => m.Name))}. [AD001]");
}
