namespace Marrow.Formats.Datasets;

/// <summary>One example of a <see cref="TokenDataset"/>, seen in place.</summary>
public readonly ref struct TokenSpans
{
    internal TokenSpans(ReadOnlySpan<int> ids, ReadOnlySpan<int> labels)
    {
        Ids = ids;
        Labels = labels;
    }

    /// <summary>Token ids.</summary>
    public ReadOnlySpan<int> Ids { get; }

    /// <summary>Labels at the same positions, −100 where not trained, not shifted.</summary>
    public ReadOnlySpan<int> Labels { get; }

    /// <summary>The number of tokens.</summary>
    public int Length => Ids.Length;

    /// <summary>The targets that count: labels from position 1 on that are not ignored.</summary>
    public int Targets => CountTargets(Labels);

    internal static int CountTargets(ReadOnlySpan<int> labels) =>
        labels.Length < 2 ? 0 : labels.Length - 1 - labels[1..].Count(TokenExample.Ignore);
}
