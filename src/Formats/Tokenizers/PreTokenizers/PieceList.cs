namespace Marrow.Formats.Tokenizers.PreTokenizers;

/// <summary>A text and its pieces as ranges of it, in order.</summary>
/// <param name="text">Well-formed UTF-16.</param>
/// <param name="atStart">Whether the text starts where the input starts.</param>
internal sealed class PieceList(string text, bool atStart)
{
    private List<(int Start, int Length)> _pieces = [(0, text.Length)];
    private List<(int Start, int Length)> _spare = [];

    public string Text { get; private set; } = text;

    public bool AtStart => atStart;

    public IReadOnlyList<(int Start, int Length)> Pieces => _pieces;

    public ReadOnlySpan<char> this[int piece] => Text.AsSpan(_pieces[piece].Start, _pieces[piece].Length);

    /// <summary>Cuts every piece at the matches of <paramref name="pattern"/>.</summary>
    public void Split(IPattern pattern, SplitBehavior behavior, bool invert = false)
    {
        var matches = new List<(int Start, int Length)>();
        _spare.Clear();
        foreach ((int start, int length) in _pieces)
        {
            matches.Clear();
            pattern.Find(Text.AsSpan(start, length), matches);
            var cutter = new PieceCutter(_spare, behavior);
            int done = 0;
            foreach ((int matchStart, int matchLength) in matches)
            {
                cutter.Add(start + done, matchStart - done, invert);
                cutter.Add(start + matchStart, matchLength, !invert);
                done = matchStart + matchLength;
            }
            cutter.Add(start + done, length - done, invert);
        }
        (_pieces, _spare) = (_spare, _pieces);
    }

    /// <summary>Replaces the text and its pieces by what <paramref name="append"/> writes for each piece.</summary>
    public void Rewrite(Action<PieceList, int, System.Text.StringBuilder> append)
    {
        var text = new System.Text.StringBuilder(Text.Length + 16);
        _spare.Clear();
        for (int i = 0; i < _pieces.Count; i++)
        {
            int start = text.Length;
            append(this, i, text);
            if (text.Length > start)
                _spare.Add((start, text.Length - start));
        }
        Text = text.ToString();
        (_pieces, _spare) = (_spare, _pieces);
    }
}
