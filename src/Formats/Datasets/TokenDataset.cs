namespace Marrow.Formats.Datasets;

/// <summary>
/// Tokenised examples in two flat arrays with offsets: eight bytes a token, sixteen an example, no object an example.
/// Immutable and safe for concurrent reads.
/// </summary>
public sealed class TokenDataset
{
    private readonly int[] _ids;
    private readonly int[] _labels;
    private readonly int[] _starts;
    private readonly int[] _lines;

    internal TokenDataset(int[] ids, int[] labels, int[] starts, int[] lines, int count)
    {
        (_ids, _labels, _starts, _lines, Count) = (ids, labels, starts, lines, count);
        for (int i = 0; i < count; i++)
        {
            LongestLength = Math.Max(LongestLength, Length(i));
            Targets += TokenSpans.CountTargets(Labels(i));
        }
    }

    /// <summary>The number of examples.</summary>
    public int Count { get; }

    /// <summary>The tokens of all examples.</summary>
    public int Tokens => _starts[Count];

    /// <summary>The trained targets of all examples, as <see cref="TokenExample.Targets"/>.</summary>
    public int Targets { get; }

    /// <summary>The tokens of the longest example.</summary>
    public int LongestLength { get; }

    /// <summary>Example <paramref name="index"/> as a view.</summary>
    public TokenSpans this[int index] => new(Ids(index), Labels(index));

    /// <summary>The tokens of example <paramref name="index"/>.</summary>
    public int Length(int index) => Range(index).Length;

    /// <summary>The token ids of example <paramref name="index"/>.</summary>
    public ReadOnlySpan<int> Ids(int index)
    {
        (int start, int length) = Range(index);
        return _ids.AsSpan(start, length);
    }

    /// <summary>The labels of example <paramref name="index"/>, −100 where not trained, not shifted.</summary>
    public ReadOnlySpan<int> Labels(int index)
    {
        (int start, int length) = Range(index);
        return _labels.AsSpan(start, length);
    }

    /// <summary>The line in the file that example <paramref name="index"/> came from, from 1; 0 where there was no file.</summary>
    public int Line(int index)
    {
        _ = Range(index);
        return _lines[index];
    }

    /// <summary>A dataset of examples already in memory.</summary>
    public static TokenDataset From(IEnumerable<TokenExample> examples)
    {
        ArgumentNullException.ThrowIfNull(examples);
        var builder = new TokenDatasetBuilder();
        foreach (TokenExample example in examples)
            builder.Add(example.Ids, example.Labels, line: 0);
        return builder.Build();
    }

    private (int Start, int Length) Range(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return (_starts[index], _starts[index + 1] - _starts[index]);
    }
}
