namespace Marrow.Formats.Datasets;

/// <summary>Grows the flat arrays of a <see cref="TokenDataset"/>.</summary>
internal sealed class TokenDatasetBuilder
{
    private int[] _ids = new int[1024];
    private int[] _labels = new int[1024];
    private int[] _starts = new int[64];
    private int[] _lines = new int[64];
    private int _count;

    /// <exception cref="MarrowException">DS007: more tokens than one array can hold.</exception>
    public void Add(ReadOnlySpan<int> ids, ReadOnlySpan<int> labels, int line)
    {
        if (ids.Length != labels.Length)
            throw new ArgumentException($"{ids.Length} ids and {labels.Length} labels", nameof(labels));
        int start = _starts[_count];
        if (ids.Length > Array.MaxLength - start)
            throw new MarrowException("DS007", $"line {line}: the data has more than {Array.MaxLength} tokens; split the file [DS007]");
        Grow(ref _ids, start + ids.Length);
        Grow(ref _labels, start + ids.Length);
        Grow(ref _starts, _count + 2);
        Grow(ref _lines, _count + 1);
        ids.CopyTo(_ids.AsSpan(start));
        labels.CopyTo(_labels.AsSpan(start));
        _lines[_count++] = line;
        _starts[_count] = start + ids.Length;
    }

    public TokenDataset Build() => new(_ids, _labels, _starts, _lines, _count);

    private static void Grow(ref int[] array, int needed)
    {
        if (needed > array.Length)
            Array.Resize(ref array, (int)Math.Min(Math.Max(needed, array.Length * 2L), Array.MaxLength));
    }
}
