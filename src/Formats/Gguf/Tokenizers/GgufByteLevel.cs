using System.Text;
using Marrow.Formats.Tokenizers;
using Marrow.Formats.Tokenizers.Bpe;
using Marrow.Formats.Tokenizers.Decoders;

namespace Marrow.Formats.Gguf.Tokenizers;

/// <summary>Byte-level BPE, tokenizer.ggml.model "gpt2" (spec/formats.md §7.4).</summary>
internal static class GgufByteLevel
{
    public static ModelTokenizer Read(GgufMetadata values)
    {
        PreTokenizerRow row = Row(values);
        GgufVocabulary vocabulary = GgufVocabulary.Read(values);
        Vocabulary ids = vocabulary.Tokens.ToVocabulary();
        int? bos = vocabulary.Id(TokenizerKeys.Bos), eos = vocabulary.Id(TokenizerKeys.Eos), unknown = vocabulary.Id(TokenizerKeys.Unknown);
        List<AddedToken> added = vocabulary.Tokens.AddedTokens();
        var parts = new TokenizerParts(
            ids,
            added,
            row.Normalizer(),
            row.PreTokenizer(),
            new BpeModel(ids, Table(values, ids), new BpeOptions(unknown, IgnoreMerges: row.IgnoreMerges)),
            GgufTokenizer.Frame(values, bos, eos, row.AddBos),
            new ByteLevelDecoder(),
            LongestFirst: true);
        return GgufTokenizer.Finish(values, vocabulary, parts, bos, eos, unknown);
    }

    /// <exception cref="ModelFileException">GV007 the pre-tokenizer is not known.</exception>
    public static PreTokenizerRow Row(GgufMetadata values)
    {
        string? pre = values.Text(TokenizerKeys.Pre);
        return PreTokenizerTable.Find(pre) ?? throw values.Error("GV007", TokenizerKeys.Pre,
            $"is {Echo.Quote(pre!)}, and how that cuts a text is not known here; known are {PreTokenizerTable.Names}. Convert from the Hugging Face folder, or correct the name");
    }

    /// <summary>The lines of the merge list as two tokens each.</summary>
    /// <exception cref="ModelFileException">GV003 a line is not two tokens with a space between, or one of them or their sum is no token.</exception>
    public static IEnumerable<(string Left, string Right)> Merges(GgufMetadata values)
    {
        byte[][] lines = GgufVocabulary.Array<byte[]>(values, TokenizerKeys.Merges, "strings", GgufType.String)
            ?? throw values.Error("GV003", TokenizerKeys.Merges, "is missing; without merges a text cannot be cut into tokens, convert the model again with a newer program");
        for (int rank = 0; rank < lines.Length; rank++)
        {
            string line = Encoding.UTF8.GetString(lines[rank]);
            int space = line.Length > 1 ? line.IndexOf(' ', 1) : -1;
            if (space < 0 || space == line.Length - 1)
                throw values.Error("GV003", TokenizerKeys.Merges, $"has the line {rank}, {Echo.Quote(line)}; two tokens with a space between are expected");
            yield return (line[..space], line[(space + 1)..]);
        }
    }

    private static MergeTable Table(GgufMetadata values, Vocabulary vocabulary)
    {
        var table = new MergeTable(vocabulary.Size);
        int rank = 0;
        foreach ((string left, string right) in Merges(values))
        {
            if (!vocabulary.TryGetId(left, out int leftId) || !vocabulary.TryGetId(right, out int rightId) || !vocabulary.TryGetId(left + right, out int merged))
                throw values.Error("GV003", TokenizerKeys.Merges, $"joins {Echo.Quote(left)} and {Echo.Quote(right)} in line {rank}, and one of them or their sum is no token");
            // Of a pair that is named twice the first counts.
            if (!table.TryGet(leftId, rightId, out _, out _))
                table.Set(leftId, rightId, rank, merged);
            rank++;
        }
        return table;
    }
}
