using System.Runtime.InteropServices;
using System.Text;
using Marrow.Formats.Tokenizers.PreTokenizers;

namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>
/// Learns a byte-level BPE vocabulary with Llama 3's pre-tokenizer: the 256 bytes, then merges of the most frequent
/// neighbours (of equally frequent ones the pair of smaller ids), then the special tokens. The same texts, in any order,
/// give the same file.
/// </summary>
public sealed class BpeTrainer
{
    private readonly List<(List<int> Symbols, long Count)> _words = [];
    private readonly Dictionary<(int Left, int Right), (long Count, HashSet<int> Words)> _pairs = [];
    private readonly PriorityQueue<(int Left, int Right), (long NegativeCount, int Left, int Right)> _queue = new();
    private readonly List<string> _tokens = [];
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<(int Left, int Right)> _merges = [];
    private readonly HashSet<(int Left, int Right)> _merged = [];

    private BpeTrainer()
    {
    }

    /// <summary>
    /// The text of a tokenizer.json with at most <paramref name="vocabularySize"/> tokens, <paramref name="specialTokens"/>
    /// included (fewer where no pair is left that occurs twice). Special tokens in the texts are cut out and not learnt from.
    /// </summary>
    /// <exception cref="ArgumentException">The size does not hold 256 bytes and the special tokens, or a special token is empty or named twice.</exception>
    public static string Train(IEnumerable<string> texts, int vocabularySize, IReadOnlyList<string> specialTokens)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(specialTokens);
        if (vocabularySize < 256 + specialTokens.Count || vocabularySize > Vocabulary.LargestId)
            throw new ArgumentException($"{vocabularySize} tokens do not hold 256 bytes and {specialTokens.Count} special tokens", nameof(vocabularySize));
        if (specialTokens.Distinct().Count() != specialTokens.Count || specialTokens.Contains(""))
            throw new ArgumentException("a special token is empty or named twice", nameof(specialTokens));

        var trainer = new BpeTrainer();
        trainer.AddBytes();
        trainer.AddWords(texts, new AddedTokenMatcher(specialTokens.Select((text, id) => (text, new AddedToken(id, text, Special: true)))));
        trainer.Merge(vocabularySize - specialTokens.Count);
        return trainer.Write(specialTokens);
    }

    private void AddBytes()
    {
        foreach (char c in Enumerable.Range(0, 256).Select(b => ByteAlphabet.ToCharacter((byte)b)).Order())
            IdOf(c.ToString());
    }

    private int IdOf(string token)
    {
        if (!_ids.TryGetValue(token, out int id))
        {
            _ids.Add(token, id = _tokens.Count);
            _tokens.Add(token);
        }
        return id;
    }

    private void AddWords(IEnumerable<string> texts, AddedTokenMatcher specials)
    {
        var preTokenizer = new PreTokenizerSequence(
            [new SplitPreTokenizer(new Llama3Pattern(3), SplitBehavior.Isolated), new ByteLevelPreTokenizer(addPrefixSpace: false, split: false)]);
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var bySpan = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string text in texts)
        {
            string wellFormed = HuggingFaceTokenizer.WellFormed(text);
            foreach ((int start, int length, AddedToken? token) in specials.Cut(wellFormed, parseSpecial: true))
            {
                if (token is not null)
                    continue;
                var pieces = new PieceList(wellFormed.Substring(start, length), atStart: start == 0);
                preTokenizer.Apply(pieces);
                for (int i = 0; i < pieces.Pieces.Count; i++)
                    CollectionsMarshal.GetValueRefOrAddDefault(bySpan, pieces[i], out _)++;
            }
        }
        foreach ((string word, long count) in counts.OrderBy(p => p.Key, StringComparer.Ordinal))
        {
            _words.Add((word.Select(c => _ids[c.ToString()]).ToList(), count));
            Count(_words.Count - 1, 1, null);
        }
    }

    private void Merge(int size)
    {
        foreach (((int Left, int Right) pair, (long count, _)) in _pairs)
            _queue.Enqueue(pair, (-count, pair.Left, pair.Right));
        while (_tokens.Count < size && _queue.TryDequeue(out (int Left, int Right) pair, out (long NegativeCount, int, int) priority))
        {
            (long count, HashSet<int> words) = _pairs[pair];
            if (count != -priority.NegativeCount)
                continue;
            if (count < 2)
                break;
            int merged = IdOf(_tokens[pair.Left] + _tokens[pair.Right]);
            // Two pairs may spell the same token, so a pair can come up again; its first rank stands.
            if (_merged.Add(pair))
                _merges.Add(pair);
            var changed = new HashSet<(int Left, int Right)>();
            foreach (int word in words.ToArray())
            {
                Count(word, -1, changed);
                Replace(_words[word].Symbols, pair, merged);
                Count(word, 1, changed);
            }
            foreach ((int Left, int Right) other in changed)
                _queue.Enqueue(other, (-_pairs[other].Count, other.Left, other.Right));
        }
    }

    /// <summary>Adds the pairs of a word to the counts, or takes them off.</summary>
    private void Count(int word, int sign, HashSet<(int, int)>? changed)
    {
        (List<int> symbols, long count) = _words[word];
        for (int i = 0; i + 1 < symbols.Count; i++)
        {
            (int, int) pair = (symbols[i], symbols[i + 1]);
            ref (long Count, HashSet<int> Words) entry = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, pair, out _);
            entry.Words ??= [];
            entry.Count += sign * count;
            if (sign > 0)
                entry.Words.Add(word);
            else
                entry.Words.Remove(word);
            changed?.Add(pair);
        }
    }

    private static void Replace(List<int> symbols, (int Left, int Right) pair, int merged)
    {
        int kept = 0;
        for (int i = 0; i < symbols.Count; i++)
        {
            bool here = i + 1 < symbols.Count && symbols[i] == pair.Left && symbols[i + 1] == pair.Right;
            symbols[kept++] = here ? merged : symbols[i];
            i += here ? 1 : 0;
        }
        symbols.RemoveRange(kept, symbols.Count - kept);
    }

    private string Write(IReadOnlyList<string> specialTokens) => new TokenizerDocument
    {
        AddedTokens = specialTokens.Select((text, i) => new AddedToken(_tokens.Count + i, text, Special: true)),
        PreTokenizer = TokenizerDocument.Splits([KnownPatterns.Llama3]),
        Decoder = TokenizerDocument.ByteLevel,
        Vocabulary = _tokens.Select((token, id) => (token, id)),
        Merges = _merges.Select(m => (_tokens[m.Left], _tokens[m.Right])),
    }.Write();
}
