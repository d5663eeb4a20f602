using Marrow.Formats.Tokenizers.Decoders;
using Marrow.Formats.Tokenizers.Normalizers;
using Marrow.Formats.Tokenizers.PostProcessors;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers;

/// <summary>
/// A tokenizer in the parts that tokenizer.json gives it: added tokens, normalizer, pre-tokenizer, model, post-processor, decoder
/// (spec/formats.md §7.6); those of GGUF and sentencepiece files have the same parts. An id without token decodes to U+FFFD; a lone surrogate in a text is read as U+FFFD.
/// </summary>
public sealed class HuggingFaceTokenizer : ITokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly ITextNormalizer? _normalizer;
    private readonly IPreTokenizer? _preTokenizer;
    private readonly ITokenModel _model;
    private readonly SpecialFrame _frame;
    private readonly ITokenDecoder _decoder;
    private readonly AddedTokenMatcher _raw;
    private readonly AddedTokenMatcher _normalized;
    private readonly HashSet<int> _added;
    private readonly HashSet<int> _special;

    internal HuggingFaceTokenizer(TokenizerParts parts, int? bosId = null, int? eosId = null)
    {
        _vocabulary = parts.Vocabulary;
        _normalizer = parts.Normalizer;
        _preTokenizer = parts.PreTokenizer;
        _model = parts.Model;
        _frame = parts.Frame;
        _decoder = parts.Decoder;
        _raw = new AddedTokenMatcher(parts.AddedTokens.Where(t => !t.Normalized).Select(t => (t.Content, t)), parts.LongestFirst);
        _normalized = new AddedTokenMatcher(parts.AddedTokens.Where(t => t.Normalized).Select(t => (_normalizer?.Normalize(t.Content) ?? t.Content, t)), parts.LongestFirst);
        _added = parts.AddedTokens.Select(t => t.Id).ToHashSet();
        _special = parts.AddedTokens.Where(t => t.Special).Select(t => t.Id).ToHashSet();
        BosId = bosId;
        EosId = eosId;
    }

    /// <inheritdoc/>
    public int VocabularySize => _vocabulary.Size;

    /// <inheritdoc/>
    public int? BosId { get; }

    /// <inheritdoc/>
    public int? EosId { get; }

    /// <inheritdoc/>
    /// <exception cref="MarrowException">TK004: a pattern of the file took too long; TK012: a character has no token.</exception>
    public IReadOnlyList<int> Encode(string text, bool addSpecial, bool parseSpecial)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = WellFormed(text);
        var ids = new List<int>(text.Length / 3 + 8);
        if (addSpecial)
            ids.AddRange(_frame.Before);
        foreach ((int start, int length, AddedToken? token) in _raw.Cut(text, parseSpecial))
        {
            if (token is not null)
                ids.Add(token.Id);
            else
                EncodePart(text.Substring(start, length), start == 0, parseSpecial, ids);
        }
        if (addSpecial)
            ids.AddRange(_frame.After);
        return ids;
    }

    /// <inheritdoc/>
    public int? IdOf(string token) => _vocabulary.IdOf(token);

    /// <summary>The text of a token as the vocabulary writes it, or null.</summary>
    public string? TokenOf(int id) => _vocabulary.TryGetToken(id, out string? token) ? token : null;

    /// <summary>Whether the token is found in the text before the model sees it, so that its text stands for itself.</summary>
    internal bool IsAdded(int id) => _added.Contains(id);

    /// <inheritdoc/>
    public bool IsSpecial(int id) => _special.Contains(id);

    /// <inheritdoc/>
    public string Decode(IEnumerable<int> ids, bool skipSpecial)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var stream = new TokenStream(this, _decoder, skipSpecial);
        foreach (int id in ids)
            stream.Append(id);
        return stream.Flush();
    }

    /// <inheritdoc/>
    public IStreamingDecoder CreateStreamingDecoder(bool skipSpecial) => new TokenStream(this, _decoder, skipSpecial);

    private void EncodePart(string part, bool atStart, bool parseSpecial, List<int> ids)
    {
        string text = _normalizer?.Normalize(part) ?? part;
        foreach ((int start, int length, AddedToken? token) in _normalized.Cut(text, parseSpecial))
        {
            if (token is not null)
                ids.Add(token.Id);
            else
                EncodePieces(new PieceList(text.Substring(start, length), atStart && start == 0), ids);
        }
    }

    private void EncodePieces(PieceList pieces, List<int> ids)
    {
        _preTokenizer?.Apply(pieces);
        for (int i = 0; i < pieces.Pieces.Count; i++)
            _model.Encode(pieces[i], ids);
    }

    /// <summary>The text with U+FFFD for every lone surrogate.</summary>
    internal static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            return text;
        return string.Create(text.Length, text, static (result, source) =>
        {
            source.CopyTo(result);
            for (int i = 0; i < result.Length; i++)
            {
                if (!char.IsSurrogate(result[i]))
                    continue;
                if (i + 1 < result.Length && char.IsSurrogatePair(result[i], result[i + 1]))
                    i++;
                else
                    result[i] = '\uFFFD';
            }
        });
    }
}
