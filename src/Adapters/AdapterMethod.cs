using Marrow.Adapters.Peft;

namespace Marrow.Adapters;

/// <summary>One entry of the registry of methods.</summary>
/// <param name="Name">Its name in job files: "lora", "miss".</param>
/// <param name="PeftType">The peft_type that is written.</param>
/// <param name="Read">Reads a PEFT folder's configuration, or returns null where it belongs to another method.</param>
public sealed record AdapterMethod(string Name, string PeftType, Func<PeftDocument, AdapterConfig?> Read)
{
    /// <summary>Other names for the same method.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>Earlier names of its tensors in files, and what they are called now ("bone_block" → "miss_block").</summary>
    public IReadOnlyDictionary<string, string> FormerNames { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether the type is Marrow's own: PEFT refuses such a folder by its peft_type.</summary>
    public bool IsOwn { get; init; }
}
