namespace Marrow.Host.Jobs;

/// <summary>
/// Describes one key of the job file. The attributed properties are the only description of the keys: reading, checking,
/// defaults, resolved.yaml and the JSON Schema all come from them.
/// </summary>
/// <param name="about">One sentence for editors and documentation.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class KeyAttribute(string about) : Attribute
{
    /// <summary>One sentence for editors and documentation.</summary>
    public string About { get; } = about;

    /// <summary>Whether the job must give it; such keys have no default.</summary>
    public bool Required { get; init; }

    /// <summary>The allowed texts; empty for any. "true" and "false" stand for the booleans.</summary>
    public string[] Choices { get; init; } = [];

    /// <summary>A regular expression that the text must match, with <see cref="PatternText"/> to say it in words.</summary>
    public string? Pattern { get; init; }

    /// <summary><see cref="Pattern"/> in words.</summary>
    public string? PatternText { get; init; }

    /// <summary>The smallest number allowed.</summary>
    public double Min { get; init; } = double.NegativeInfinity;

    /// <summary>The largest number allowed.</summary>
    public double Max { get; init; } = double.PositiveInfinity;

    /// <summary>Whether <see cref="Min"/> itself is excluded.</summary>
    public bool AboveMin { get; init; }

    /// <summary>Whether <see cref="Max"/> itself is excluded.</summary>
    public bool BelowMax { get; init; }

    /// <summary>How many items a list must have; 0 for any number.</summary>
    public int Length { get; init; }

    /// <summary>The adapter methods it applies to; empty for all.</summary>
    public string[] Methods { get; init; } = [];

    /// <summary>The names that other trainers use for it, to answer those who type them; with ": value" behind where the name itself says a value ("use_dora: dora").</summary>
    public string[] AlsoKnownAs { get; init; } = [];

    /// <summary>Whether a resumed run may have another value than the run it continues.</summary>
    public bool MayChangeOnResume { get; init; }
}
