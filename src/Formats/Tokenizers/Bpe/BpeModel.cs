using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>Byte-pair encoding of one piece of text (spec/formats.md §7.6, model BPE). Knows nothing of files; safe for concurrent use.</summary>
internal sealed class BpeModel : ITokenModel
{
    private readonly Vocabulary _vocabulary;
    private readonly MergeTable _merges;
    private readonly BpeOptions _options;
    private readonly int[]? _byteIds;
    private readonly PieceCache _cache = new();

    public BpeModel(Vocabulary vocabulary, MergeTable merges, BpeOptions options)
    {
        (_vocabulary, _merges, _options) = (vocabulary, merges, options);
        if (options.ByteFallback)
            _byteIds = ByteTokens(vocabulary);
    }

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (_cache.TryGet(piece, out int[] known))
        {
            ids.AddRange(known);
            return;
        }
        int first = ids.Count;
        if (_options.IgnoreMerges && _vocabulary.TryGetId(piece, out int whole))
        {
            ids.Add(whole);
        }
        else
        {
            AddSymbols(piece, ids);
            Span<int> symbols = CollectionsMarshal.AsSpan(ids)[first..];
            int kept = PairMerger.Merge(_merges, symbols);
            ids.RemoveRange(first + kept, symbols.Length - kept);
        }
        _cache.Add(piece, CollectionsMarshal.AsSpan(ids)[first..]);
    }

    // A byte that cannot be shown stands in byte-level vocabularies as a letter that the text does not have.
    private static string InBytes(Rune rune) => rune.Value >= 0x100 && rune.IsBmp && ByteAlphabet.ToByte((char)rune.Value) is >= 0 and int value ? $" (in a byte-level vocabulary the byte 0x{value:X2})" : "";

    private void AddSymbols(ReadOnlySpan<char> piece, List<int> ids)
    {
        bool affixes = _options.Prefix.Length + _options.Suffix.Length > 0;
        bool afterUnknown = false;
        for (int at = 0; at < piece.Length;)
        {
            _ = Rune.DecodeFromUtf16(piece[at..], out Rune rune, out int length);
            ReadOnlySpan<char> symbol = piece.Slice(at, length);
            if (affixes)
                symbol = string.Concat(at > 0 ? _options.Prefix : "", symbol, at + length == piece.Length ? _options.Suffix : "");
            at += length;
            if (_vocabulary.TryGetId(symbol, out int id))
            {
                ids.Add(id);
                afterUnknown = false;
            }
            else if (_byteIds is not null && TryAddBytes(symbol, ids))
            {
                afterUnknown = false;
            }
            else
            {
                if (_options.UnknownId is not { } unknown)
                {
                    throw new MarrowException("TK012", string.Create(CultureInfo.InvariantCulture,
                        $"The vocabulary has no token for U+{rune.Value:X4} {Echo.Quote(symbol.ToString())}{InBytes(rune)} and no unknown token; remove the character or use the tokenizer that belongs to the model."));
                }
                if (!afterUnknown || !_options.FuseUnknown)
                    ids.Add(unknown);
                afterUnknown = true;
            }
        }
    }

    private bool TryAddBytes(ReadOnlySpan<char> symbol, List<int> ids)
    {
        Span<byte> bytes = symbol.Length <= 16 ? stackalloc byte[64] : new byte[Encoding.UTF8.GetMaxByteCount(symbol.Length)];
        bytes = bytes[..Encoding.UTF8.GetBytes(symbol, bytes)];
        foreach (byte b in bytes)
            if (_byteIds![b] < 0)
                return false;
        foreach (byte b in bytes)
            ids.Add(_byteIds![b]);
        return true;
    }

    private static int[] ByteTokens(Vocabulary vocabulary)
    {
        var ids = new int[256];
        for (int b = 0; b < 256; b++)
            ids[b] = vocabulary.TryGetId(TokenTable.ByteText(b), out int id) ? id : -1;
        return ids;
    }
}
