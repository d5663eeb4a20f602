using System.Globalization;
using System.Numerics;
using System.Text;

namespace Marrow.Formats.Datasets;

/// <summary>How many rows have a length (in tokens) from <paramref name="From"/> to <paramref name="To"/>, both included.</summary>
public readonly record struct LengthBucket(int From, int To, int Count);

/// <summary>
/// The sizes of a dataset in tokens. Lengths are those before truncation, of every usable row, because max_length is chosen by
/// them; totals are of the examples that are kept, after truncation.
/// </summary>
public sealed record DatasetStatistics
{
    private const int BarWidth = 30;

    /// <summary>The examples that are kept.</summary>
    public required int Examples { get; init; }

    /// <summary>The tokens of all kept examples.</summary>
    public required long Tokens { get; init; }

    /// <summary>The trained targets of all kept examples.</summary>
    public required long Targets { get; init; }

    /// <summary>The limit that was applied.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Rows that were longer than <see cref="MaxLength"/> and lost their end.</summary>
    public required int Truncated { get; init; }

    /// <summary>The tokens cut off these rows.</summary>
    public required long TruncatedTokens { get; init; }

    /// <summary>Rows that were dropped because truncation took all their targets.</summary>
    public required int DroppedByTruncation { get; init; }

    /// <summary>Rows that were dropped because they had no target to begin with.</summary>
    public required int DroppedWithoutTargets { get; init; }

    /// <summary>The length that half of the rows do not exceed.</summary>
    public required int P50 { get; init; }

    /// <summary>The length that 95 % of the rows do not exceed.</summary>
    public required int P95 { get; init; }

    /// <summary>The greatest length.</summary>
    public required int Max { get; init; }

    /// <summary>The lengths in buckets 1, 2, 3–4, 5–8, 9–16, … from the shortest row's bucket to the longest's.</summary>
    public required IReadOnlyList<LengthBucket> Histogram { get; init; }

    /// <summary>The value that a share of <paramref name="percent"/> of the sorted lengths does not exceed (nearest rank).</summary>
    internal static int Percentile(ReadOnlySpan<int> sorted, int percent) =>
        sorted.Length == 0 ? 0 : sorted[(int)(((long)sorted.Length * percent + 99) / 100) - 1];

    internal static List<LengthBucket> Buckets(ReadOnlySpan<int> sorted)
    {
        var buckets = new List<LengthBucket>();
        int i = 0;
        while (i < sorted.Length)
        {
            long to = buckets.Count > 0 ? 2L * buckets[^1].To : BitOperations.RoundUpToPowerOf2((uint)sorted[i]);
            int first = i;
            while (i < sorted.Length && sorted[i] <= to)
                i++;
            buckets.Add(new LengthBucket((int)(to / 2) + 1, (int)Math.Min(to, int.MaxValue), i - first));
        }
        return buckets;
    }

    /// <summary>The statistics as a few lines of text with a bar chart of the lengths.</summary>
    public override string ToString()
    {
        CultureInfo c = CultureInfo.InvariantCulture;
        var text = new StringBuilder();
        text.Append(c, $"examples {Examples:N0}, tokens {Tokens:N0}, trained targets {Targets:N0}");
        if (Tokens > 0)
            text.Append(c, $" ({100.0 * Targets / Tokens:F1} %)");
        text.Append(c, $"\nlengths before truncation: p50 {P50}, p95 {P95}, max {Max}");
        int most = 1;
        foreach (LengthBucket bucket in Histogram)
            most = Math.Max(most, bucket.Count);
        foreach (LengthBucket bucket in Histogram)
        {
            string range = bucket.From == bucket.To ? bucket.To.ToString(c) : string.Create(c, $"{bucket.From}–{bucket.To}");
            int bar = (int)(((long)bucket.Count * BarWidth + most - 1) / most);
            text.Append(c, $"\n  {range,15}  {bucket.Count,9:N0}  ").Append('█', bar);
            if (bar == 0)
                text.Length -= 2;
        }
        if (Truncated > 0)
            text.Append(c, $"\ntruncated to {MaxLength} tokens: {Truncated:N0} rows, {TruncatedTokens:N0} tokens cut off");
        if (DroppedByTruncation > 0)
            text.Append(c, $"\ndropped, no trained target left after truncation: {DroppedByTruncation:N0} rows");
        if (DroppedWithoutTargets > 0)
            text.Append(c, $"\ndropped, no trained target in the row: {DroppedWithoutTargets:N0} rows");
        return text.ToString();
    }
}
