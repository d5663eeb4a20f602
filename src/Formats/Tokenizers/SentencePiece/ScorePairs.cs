using Marrow.Formats.Tokenizers.Bpe;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>
/// Two neighbours merge where their texts joined are a normal token, the highest score first (spec/formats.md §7.3). Characters without
/// token take part as symbols of their own: the complement of the code point.
/// </summary>
internal sealed class ScorePairs : IPairTable
{
    private const int OnStack = 128;

    private readonly TokenTable _tokens;
    private readonly Vocabulary _vocabulary;
    private readonly int[] _ranks;
    private readonly int _longest;

    public ScorePairs(TokenTable tokens, Vocabulary vocabulary)
    {
        (_tokens, _vocabulary) = (tokens, vocabulary);
        var byScore = new Dictionary<float, int>();
        foreach (float score in tokens.Scores.Distinct().OrderDescending())
            byScore.Add(score, byScore.Count);
        _ranks = new int[tokens.Count];
        for (int id = 0; id < tokens.Count; id++)
        {
            _ranks[id] = byScore[tokens.Scores[id]];
            if (tokens.Types[id] == TokenType.Normal)
                _longest = Math.Max(_longest, tokens.Texts[id].Length);
        }
    }

    public bool TryGet(int left, int right, out int rank, out int merged)
    {
        Span<char> one = stackalloc char[2], other = stackalloc char[2];
        ReadOnlySpan<char> first = TextOf(left, one), second = TextOf(right, other);
        int length = first.Length + second.Length;
        (rank, merged) = (0, 0);
        if (length > _longest)
            return false;
        Span<char> text = length <= OnStack ? stackalloc char[OnStack] : new char[length];
        first.CopyTo(text);
        second.CopyTo(text[first.Length..]);
        if (!TryGetNormal(text[..length], out merged))
            return false;
        rank = _ranks[merged];
        return true;
    }

    /// <summary>The normal token of a text.</summary>
    public bool TryGetNormal(ReadOnlySpan<char> text, out int id) => _vocabulary.TryGetId(text, out id) && _tokens.Types[id] == TokenType.Normal;

    private ReadOnlySpan<char> TextOf(int symbol, Span<char> buffer) =>
        symbol >= 0 ? _tokens.Texts[symbol] : buffer[..new System.Text.Rune(~symbol).EncodeToUtf16(buffer)];
}
