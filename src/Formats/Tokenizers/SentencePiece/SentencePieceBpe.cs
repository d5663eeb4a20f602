using System.Buffers;
using System.Globalization;
using System.Text;
using Marrow.Formats.Tokenizers.Bpe;

namespace Marrow.Formats.Tokenizers.SentencePiece;

/// <summary>Sentencepiece's BPE: characters merge by the scores of tokens; what has no token becomes its bytes' tokens (spec/formats.md §7.3).</summary>
internal sealed class SentencePieceBpe : ITokenModel
{
    private readonly ScorePairs _pairs;
    private readonly int[]? _byteIds;
    private readonly int? _unknownId;

    /// <summary><paramref name="byteIds"/> are the ids of the 256 bytes; without them, characters without token become the unknown token.</summary>
    public SentencePieceBpe(TokenTable tokens, Vocabulary vocabulary, int[]? byteIds, int? unknownId) =>
        (_pairs, _byteIds, _unknownId) = (new ScorePairs(tokens, vocabulary), byteIds, unknownId);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        int[] symbols = ArrayPool<int>.Shared.Rent(piece.Length);
        int count = 0;
        for (int at = 0; at < piece.Length;)
        {
            _ = Rune.DecodeFromUtf16(piece[at..], out Rune rune, out int length);
            symbols[count++] = _pairs.TryGetNormal(piece.Slice(at, length), out int id) ? id : ~rune.Value;
            at += length;
        }
        int kept = PairMerger.Merge(_pairs, symbols.AsSpan(0, count));
        bool afterUnknown = false;
        foreach (int symbol in symbols.AsSpan(0, kept))
        {
            if (symbol >= 0)
                ids.Add(symbol);
            else if (_byteIds is not null)
                AddBytes(new Rune(~symbol), ids);
            else if (!afterUnknown)
                ids.Add(_unknownId ?? throw Uncovered(new Rune(~symbol)));
            afterUnknown = symbol < 0;
        }
        ArrayPool<int>.Shared.Return(symbols);
    }

    private void AddBytes(Rune rune, List<int> ids)
    {
        Span<byte> bytes = stackalloc byte[4];
        foreach (byte b in bytes[..rune.EncodeToUtf8(bytes)])
            ids.Add(_byteIds![b]);
    }

    private static MarrowException Uncovered(Rune rune) => new("TK012", string.Create(CultureInfo.InvariantCulture,
        $"The vocabulary has no token for U+{rune.Value:X4} {Echo.Quote(rune.ToString())}, no bytes and no unknown token; remove the character or use the tokenizer that belongs to the model."));
}
