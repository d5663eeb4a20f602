namespace Marrow.Adapters.Peft;

/// <summary>A key of adapter_config.json that is not supported, or means nothing here.</summary>
/// <param name="Key">The key.</param>
/// <param name="Neutral">The JSON text that leaves it off; null, false, and empty lists and objects do so too.</param>
public sealed record PeftSwitch(string Key, string Neutral = "null")
{
    /// <summary>Any value can be read: it does not change what the adapter computes.</summary>
    public bool IsHarmless { get; init; }

    /// <summary>Whether the neutral value is written.</summary>
    public bool IsWritten { get; init; } = true;

    internal bool IsNeutral(string raw) => raw == Neutral || raw is "null" or "false" or "[]" or "{}";
}
