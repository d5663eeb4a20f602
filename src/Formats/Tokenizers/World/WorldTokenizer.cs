using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Marrow.Formats.Tokenizers.World;

/// <summary>
/// The tokenizer of RWKV World models: at each place of a text's UTF-8 the longest token that fits (spec/formats.md §7.7). Id 0 is the end of a
/// text, and its start where one is wanted; it never arises from ordinary text. Nothing is added around a text, as in llama.cpp and in binidx
/// data, where only the end of a document is marked.
/// </summary>
public sealed class WorldTokenizer : ITokenizer
{
    /// <summary>The id that ends a text.</summary>
    public const int EndOfText = 0;

    /// <summary>The text of id 0 where no file gives it one.</summary>
    public const string UsualEndText = "<|rwkv_tokenizer_end_of_text|>";

    private readonly WorldVocabulary _vocabulary;
    private readonly ByteTrie _trie;
    private readonly byte[] _endBytes;
    private readonly AddedTokenMatcher _special;

    internal WorldTokenizer(WorldVocabulary vocabulary, string? endText = null)
    {
        _vocabulary = vocabulary;
        _trie = new ByteTrie(vocabulary, leftOut: EndOfText);
        EndText = endText ?? (vocabulary[EndOfText] is { IsEmpty: false } own && Utf8.IsValid(own) ? Encoding.UTF8.GetString(own) : UsualEndText);
        _endBytes = Encoding.UTF8.GetBytes(EndText);
        _special = new AddedTokenMatcher([(EndText, new AddedToken(EndOfText, EndText, Special: true))]);
        byte[] missing = [.. Enumerable.Range(0, 256).Select(b => (byte)b).Where(b => !_trie.Has(b))];
        if (missing.Length > 0)
            Warnings = [string.Create(CultureInfo.InvariantCulture, $"the vocabulary has no token for {missing.Length} single bytes (0x{missing[0]:X2} …), so texts with them cannot be encoded")];
    }

    /// <summary>Reads a vocabulary file, as rwkv_vocab_v20230424.txt.</summary>
    /// <exception cref="ModelFileException">RV001 to RV010, IO001 to IO006: the file cannot be read or is not a vocabulary.</exception>
    public static WorldTokenizer Load(string path) => new(WorldVocabulary.Read(path));

    /// <summary>The text that stands for id 0.</summary>
    public string EndText { get; }

    /// <summary>What is odd about the vocabulary but allowed, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; } = [];

    /// <inheritdoc/>
    public int VocabularySize => Math.Max(_vocabulary.Size, EndOfText + 1);

    /// <inheritdoc/>
    public int? BosId => EndOfText;

    /// <inheritdoc/>
    public int? EosId => EndOfText;

    /// <inheritdoc/>
    /// <remarks>A lone surrogate in the text is read as U+FFFD.</remarks>
    /// <exception cref="MarrowException">RV011: a byte of the text is in no token.</exception>
    public IReadOnlyList<int> Encode(string text, bool addSpecial, bool parseSpecial)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length / 3 + 8);
        foreach ((int start, int length, AddedToken? token) in _special.Cut(text, parseSpecial))
        {
            if (token is not null)
                ids.Add(token.Id);
            else
                Encode(text.AsSpan(start, length), ids);
        }
        return ids;
    }

    /// <summary>Token ids of bytes, whatever they are; the bytes of the ids joined are the same again.</summary>
    /// <exception cref="MarrowException">RV011: a byte is in no token.</exception>
    public IReadOnlyList<int> Encode(ReadOnlySpan<byte> bytes)
    {
        var ids = new List<int>(bytes.Length / 3 + 8);
        Encode(bytes, ids);
        return ids;
    }

    /// <summary>The bytes of a token, those of its text for id 0; empty where the id has no token.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) => id == EndOfText ? _endBytes : _vocabulary[id];

    /// <inheritdoc/>
    public int? IdOf(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        if (token == EndText)
            return EndOfText;
        byte[] bytes = Encoding.UTF8.GetBytes(token);
        return _trie.LongestAt(bytes, out int length) is >= 0 and int id && length == bytes.Length ? id : null;
    }

    /// <inheritdoc/>
    public bool IsSpecial(int id) => id == EndOfText;

    /// <inheritdoc/>
    public string Decode(IEnumerable<int> ids, bool skipSpecial)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var stream = new WorldTokenStream(this, skipSpecial);
        var text = new StringBuilder();
        foreach (int id in ids)
            text.Append(stream.Push(id));
        return text.Append(stream.Flush()).ToString();
    }

    /// <inheritdoc/>
    public IStreamingDecoder CreateStreamingDecoder(bool skipSpecial) => new WorldTokenStream(this, skipSpecial);

    private void Encode(ReadOnlySpan<char> text, List<int> ids)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetByteCount(text));
        try
        {
            Encode(buffer.AsSpan(0, Encoding.UTF8.GetBytes(text, buffer)), ids);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Encode(ReadOnlySpan<byte> bytes, List<int> ids)
    {
        while (!bytes.IsEmpty)
        {
            int id = _trie.LongestAt(bytes, out int length);
            if (id < 0)
                throw new MarrowException("RV011",
                    string.Create(CultureInfo.InvariantCulture, $"the byte 0x{bytes[0]:X2} of the text is in no token of the vocabulary; use the model's whole vocabulary file [RV011]"));
            ids.Add(id);
            bytes = bytes[length..];
        }
    }
}
