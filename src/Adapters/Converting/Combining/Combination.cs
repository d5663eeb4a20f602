namespace Marrow.Adapters.Converting.Combining;

/// <summary>How several adapters become one, as PEFT's add_weighted_adapter (spec/adapters.md §4.7).</summary>
public sealed record Combination
{
    /// <summary>The method.</summary>
    public CombinationMethod Method { get; init; } = CombinationMethod.Cat;

    /// <summary>The part of the values that ties, dare and magnitude_prune keep, above 0 and at most 1.</summary>
    public double? Density { get; init; }

    /// <summary>Whether ties elects signs by counting them instead of by the sums of values.</summary>
    public bool SignsByCount { get; init; }

    /// <summary>What dare's random choice begins with.</summary>
    public ulong Seed { get; init; }

    /// <summary>The rank that the svd methods cut to; null for the largest of the adapters'.</summary>
    public int? Rank { get; init; }
}

/// <summary>The methods of combining.</summary>
public enum CombinationMethod
{
    /// <summary>The factors one behind the other: exactly the weighted sum of the changes, with the sum of the ranks.</summary>
    Cat,
    /// <summary>Sums of A and of B, each weighted by the root of the weight: not the sum of the changes, since every A meets every B.</summary>
    Linear,
    /// <summary>The best LoRA of a rank for the weighted sum of the changes.</summary>
    Svd,
    /// <summary>Of A and of B the largest values, whose sign the majority agrees with (Yadav et al., 2023).</summary>
    Ties,
    /// <summary>As <see cref="Ties"/> of the changes themselves, then as <see cref="Svd"/>.</summary>
    TiesSvd,
    /// <summary>Sums of random values of A and of B, made larger by what was dropped (Yu et al., 2024).</summary>
    DareLinear,
    /// <summary>As <see cref="DareLinear"/> of the changes themselves, then as <see cref="Svd"/>.</summary>
    DareLinearSvd,
    /// <summary>Random values of A and of B whose sign the majority agrees with.</summary>
    DareTies,
    /// <summary>As <see cref="DareTies"/> of the changes themselves, then as <see cref="Svd"/>.</summary>
    DareTiesSvd,
    /// <summary>Sums of the largest values of A and of B.</summary>
    MagnitudePrune,
    /// <summary>As <see cref="MagnitudePrune"/> of the changes themselves, then as <see cref="Svd"/>.</summary>
    MagnitudePruneSvd,
}
