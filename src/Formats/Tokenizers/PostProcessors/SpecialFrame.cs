namespace Marrow.Formats.Tokenizers.PostProcessors;

/// <summary>The ids that stand before and after a single text.</summary>
internal sealed record SpecialFrame(int[] Before, int[] After)
{
    public static SpecialFrame None { get; } = new([], []);

    /// <summary>This frame around what <paramref name="inner"/> has already framed.</summary>
    public SpecialFrame Around(SpecialFrame inner) => new([.. Before, .. inner.Before], [.. inner.After, .. After]);
}
