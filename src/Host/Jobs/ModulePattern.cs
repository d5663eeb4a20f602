namespace Marrow.Host.Jobs;

/// <summary>
/// Which modules are meant, as PEFT writes it: a list of name endings, one regular expression that must match the whole
/// name, or "all-linear".
/// </summary>
public sealed record ModulePattern
{
    /// <summary>The word for every linear layer but the output head.</summary>
    public const string AllLinear = "all-linear";

    /// <summary>A list of name endings.</summary>
    public ModulePattern(IReadOnlyList<string> names) => Names = names;

    /// <summary>"all-linear" or a regular expression.</summary>
    public ModulePattern(string text) => Text = text;

    /// <summary>Name endings ("q_proj", "layers.0.self_attn.v_proj"), or null.</summary>
    public IReadOnlyList<string>? Names { get; }

    /// <summary>"all-linear" or a regular expression, or null.</summary>
    public string? Text { get; }

    /// <summary>Whether every linear layer is meant.</summary>
    public bool IsAllLinear => Text == AllLinear;

    /// <summary>The regular expression, or null.</summary>
    public string? Expression => IsAllLinear ? null : Text;
}
