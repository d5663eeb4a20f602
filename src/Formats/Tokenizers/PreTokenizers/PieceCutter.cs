namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>Takes the separators and the text between them in order and appends the pieces that a <see cref="SplitBehavior"/> makes of them.</summary>
internal struct PieceCutter(List<(int Start, int Length)> pieces, SplitBehavior behavior)
{
    private bool? _afterSeparator;

    public void Add(int start, int length, bool separator)
    {
        if (length == 0)
            return;
        bool join = behavior switch
        {
            SplitBehavior.MergedWithPrevious => separator && _afterSeparator == false,
            SplitBehavior.MergedWithNext => !separator && _afterSeparator == true,
            SplitBehavior.Contiguous => _afterSeparator == separator,
            _ => false,
        };
        _afterSeparator = separator;
        if (join)
            pieces[^1] = (pieces[^1].Start, pieces[^1].Length + length);
        else if (!separator || behavior != SplitBehavior.Removed)
            pieces.Add((start, length));
    }
}
