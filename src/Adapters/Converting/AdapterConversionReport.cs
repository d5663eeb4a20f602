namespace Marrow.Adapters.Converting;

/// <summary>How well a written layer is the one that was read.</summary>
public enum Exactness
{
    /// <summary>The same numbers, renamed, turned or multiplied without rounding.</summary>
    Exact,
    /// <summary>Values or scales were rounded once to fp32.</summary>
    Rounded,
    /// <summary>The best LoRA of a lower rank.</summary>
    Approximate,
}

/// <summary>What became of one layer.</summary>
/// <param name="Module">Its official path.</param>
/// <param name="From">What it was: "LoRA", "Bat".</param>
/// <param name="Rank">The rank, or size of blocks, that was written.</param>
/// <param name="Exactness">How exact that is.</param>
public sealed record LayerConversion(string Module, string From, int Rank, Exactness Exactness)
{
    /// <summary>What it is in the written file.</summary>
    public string As { get; init; } = "LoRA";

    /// <summary>‖Δ − s·B·A‖² of what is written; 0 where nothing was approximated.</summary>
    public double ErrorSquares { get; init; }

    /// <summary>‖Δ‖² of what was read; only where something was approximated.</summary>
    public double ChangeSquares { get; init; }

    /// <summary>‖W‖² of the base; only where it was read.</summary>
    public double WeightSquares { get; init; }

    /// <summary>‖Δ − s·B·A‖ / ‖Δ‖; null where nothing was approximated.</summary>
    public double? RelativeError => Exactness != Exactness.Approximate ? null : ChangeSquares > 0 ? Math.Sqrt(ErrorSquares / ChangeSquares) : 0;

    /// <summary>‖Δ − s·B·A‖ / ‖W‖; null where the base was not read.</summary>
    public double? ErrorOfWeight => WeightSquares > 0 ? Math.Sqrt(ErrorSquares / WeightSquares) : null;
}

/// <summary>What a conversion did.</summary>
/// <param name="From">The kinds of the inputs.</param>
/// <param name="To">The kind that was written.</param>
/// <param name="Output">The file or folder.</param>
/// <param name="Layers">Every layer.</param>
/// <param name="Carried">The tensors beside them that were copied.</param>
/// <param name="Warnings">What should be known, one sentence each.</param>
public sealed record AdapterConversionReport(IReadOnlyList<string> From, string To, string Output, IReadOnlyList<LayerConversion> Layers, IReadOnlyList<string> Carried, IReadOnlyList<string> Warnings)
{
    /// <summary>The one alpha of all layers, where the kind has one.</summary>
    public double? Alpha { get; init; }

    /// <summary>The one factor of all layers' B·A, where the kind says that instead of an alpha (mlx).</summary>
    public double? Scale { get; init; }

    /// <summary>The least exact layer's exactness.</summary>
    public Exactness Exactness => Layers.Count == 0 ? Exactness.Exact : Layers.Max(l => l.Exactness);

    /// <summary>‖Δ − s·B·A‖ / ‖Δ‖ over all approximated layers together; null where there is none.</summary>
    public double? RelativeError => ErrorOf(Layers);

    internal static double? ErrorOf(IEnumerable<LayerConversion> layers)
    {
        LayerConversion[] approximated = [.. layers.Where(l => l.Exactness == Exactness.Approximate)];
        double changes = approximated.Sum(l => l.ChangeSquares);
        return approximated.Length == 0 ? null : changes > 0 ? Math.Sqrt(approximated.Sum(l => l.ErrorSquares) / changes) : 0;
    }
}
